"""Between which values columns of the feature table can lie, where there are such."""

from collections.abc import Mapping

from bitpredict.features.catalog import FEATURE_TABLE

_SHARES = (
    *("coverage", "coverage_60", "other_coverage_60", "sentiment_coverage", "breadth_coverage"),
    *("sentiment_share_negative_24h", "sentiment_share_negative_24h_own"),
    *("breadth_share_up_1h", "breadth_share_up_24h"),
)
_SCORES = ("sentiment_mean_24h", "sentiment_mean_24h_own")
_COUNTS = ("sentiment_articles_24h", "sentiment_articles_24h_own", "breadth_coins")

BOUNDS: Mapping[str, tuple[float, float]] = {
    name: bounds
    for names, bounds in ((_SHARES, (0.0, 1.0)), (_SCORES, (-1.0, 1.0)), (_COUNTS, (0.0, float("inf"))))
    for name in names
}
"""Column -> lowest and highest."""

if unknown := set(BOUNDS) - set(FEATURE_TABLE.schema.names):
    raise ValueError(f"bounds are given for columns that the feature table does not have: {sorted(unknown)}")
