"""How well the next hour is forecast: trained to 2023-06-30, tested on 2023-07 to 2023-12, beside known figures."""

import time
from datetime import UTC, datetime

import numpy as np

from benchmarks.recordings import archive_or_none
from bitpredict.features.table import price_features
from bitpredict.forecasting.calibration import calibrate
from bitpredict.forecasting.evaluation import Walked, compare
from bitpredict.forecasting.frame import TrainingFrame
from bitpredict.forecasting.history import History, history, usable
from bitpredict.forecasting.recipe import Recipe
from bitpredict.forecasting.recipes import BASELINE, recipes_for
from bitpredict.market.candles import canonical
from bitpredict.market.horizons import parse_horizon
from bitpredict.settings import Settings
from bitpredict.sources.candles import choose_source, collect

SYMBOL, HORIZON = "BTCUSDT", parse_horizon("1h")
RECORDED, END = datetime(2022, 7, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)
FIRST_ORIGIN = datetime(2022, 7, 8, tzinfo=UTC)
TRAINED_FOR, AFTER_THE_TEST = "2023-07-01", "2024-02-01"

REFERENCE = {"ewma": 0.568, "seasonal_har": 0.516, "ridge": 0.467, "boosting": 0.436}
"""Mean QLIKE of models fitted once, measured on the same origins before this code was written."""

TOLERANCE = 0.03


def main() -> None:
    """Print each model's losses and coverage; fail if a reference figure is missed by more than 3 %."""
    archive = archive_or_none("forecasts")
    if archive is None:
        return
    settings = Settings(market="archive", archive_url=str(archive), symbols=(SYMBOL,))
    candles = canonical(collect(choose_source(settings), [SYMBOL], RECORDED, END).candles)
    features = price_features(candles, SYMBOL, FIRST_ORIGIN, END)
    before, everything = (history(features, candles, SYMBOL, month) for month in (TRAINED_FOR, AFTER_THE_TEST))
    recipes = recipes_for(HORIZON)
    tests = {recipe.name: _test(everything, recipe) for recipe in recipes}
    common = min((frame.origin for frame in tests.values()), key=len)
    found = {recipe.name: _forecast(recipe, before, tests[recipe.name], common) for recipe in recipes}

    print(f"next hour's realized variance of {SYMBOL}, tested on {common.size:,} origins of 2023-07 to 2023-12")
    print(
        "model         QLIKE   ref.  ratio  -worst   skill       p  90 %  [low  mid   high]  pinball  train s  us/row"
    )
    baseline, _ = found[BASELINE]
    pinball = compare(baseline, baseline, HORIZON)["pinball"] or np.nan
    missed = []
    for name, (walked, seconds) in found.items():
        row = {key: np.nan if value is None else value for key, value in compare(walked, baseline, HORIZON).items()}
        reference = REFERENCE.get(name, np.nan)
        ratio = row["qlike"] / reference
        if abs(ratio - 1.0) > TOLERANCE:
            missed.append(name)
        thirds = " ".join(f"{row[f'coverage_90_{third}']:.3f}" for third in ("low", "middle", "high"))
        print(
            f"{name:12s} {row['qlike']:6.4f} {reference:6.3f} {ratio:6.3f}  {row['qlike_without_worst']:6.4f} "
            f"{row['skill']:+7.1%} {row['p_value']:7.1e} {row['coverage_90']:.3f} [{thirds}]  "
            f"{row['pinball'] / pinball:6.4f} {seconds[0]:8.1f} {seconds[1]:7.2f}"
        )
    if missed:
        raise SystemExit(f"further than {TOLERANCE:.0%} from the reference: {', '.join(missed)}")


def _test(everything: History, recipe: Recipe) -> TrainingFrame:
    """The test's origins that a recipe can forecast."""
    frame, _ = usable(everything, HORIZON, recipe.inputs(HORIZON))
    return frame.take(frame.origin >= np.datetime64(TRAINED_FOR))


def _forecast(
    recipe: Recipe, before: History, test: TrainingFrame, scored: np.ndarray
) -> tuple[Walked, tuple[float, float]]:
    """Fit once, forecast `scored`; how long the fit took in seconds, and a forecast in microseconds a row."""
    train, dropped = usable(before, HORIZON, recipe.inputs(HORIZON))
    start = time.perf_counter()
    fitted = recipe.fit(train)
    fit_seconds = time.perf_counter() - start
    test = test.take(np.isin(test.origin, scored))
    start = time.perf_counter()
    variance = fitted.forecaster.variance(test.rows)
    microseconds = (time.perf_counter() - start) / len(test) * 1e6
    if recipe.name == BASELINE:
        print(f"trained on {len(train):,} origins; not on {sum(dropped.values())}: {dropped}")
    quantiles = calibrate(train.log_return, fitted.held_out).returns(variance)
    return Walked(variance, quantiles, test.realized_variance, test.log_return), (fit_seconds, microseconds)


if __name__ == "__main__":
    main()
