"""What a decoded trade or candle must look like to be used: the reasons are what `<topic>-rejected` says."""

import math
from datetime import timedelta

from bitpredict.streaming.messages import Candle, Trade

MOST = 1e15
"""Prices and amounts reach this far; above it, a float no longer has cents."""

AHEAD = timedelta(minutes=1)
"""How far the exchange's clock may be before ours: one time from the next century would make all others late."""


def fault_of_trade(trade: Trade, exchange: str) -> str | None:
    """Why a trade cannot be used; None if it can. Called once a trade."""
    when = trade.event_time
    if not 0.0 < trade.price < MOST:
        return f"the price {trade.price} is not above zero or absurd"
    if not 0.0 <= trade.size < MOST:
        return f"the size {trade.size} is below zero or absurd"
    if when.tzinfo is None or trade.received_at.tzinfo is None:
        return "a time without a timezone"
    if not trade.replayed and when - trade.received_at > AHEAD:
        return f"its time {when.isoformat()} lies after its receipt {trade.received_at.isoformat()}"
    if trade.exchange != exchange:
        return f"a trade of {trade.exchange} in the topic of {exchange}"
    return None


def fault_of_candle(candle: Candle, exchange: str) -> str | None:
    """Why a candle cannot be used; None if it can."""
    opened = candle.open_time
    if opened.tzinfo is None or candle.received_at.tzinfo is None:
        return "a time without a timezone"
    if candle.interval == "1m" and (opened.second or opened.microsecond):
        return f"{opened.isoformat()} is no full minute"
    if not candle.replayed and opened - candle.received_at > AHEAD:
        return f"its time {opened.isoformat()} lies after its receipt {candle.received_at.isoformat()}"
    if not 0.0 < candle.low <= min(candle.open, candle.close) <= max(candle.open, candle.close) <= candle.high < MOST:
        return "its prices are not above zero, absurd, or open or close lie outside low and high"
    amounts = (candle.volume, candle.quote_volume, float(candle.trade_count), candle.taker_buy_volume)
    if not all(math.isfinite(amount) and amount >= 0.0 for amount in amounts):
        return "an amount is below zero or not finite"
    if candle.exchange != exchange:
        return f"a candle of {candle.exchange} in the topic of {exchange}"
    return None
