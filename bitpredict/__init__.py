"""BitPredict: own crypto market data, know what it is worth, and get forecasts that say how far to trust them."""
