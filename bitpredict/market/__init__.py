"""Plain domain types and rules: symbols, candles, gaps, horizons, time. Imports nothing of ours but errors."""
