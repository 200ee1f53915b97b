"""From a variance to a distribution: quantiles of standardized returns that the model had not seen."""

from dataclasses import dataclass

import numpy as np

from bitpredict.errors import ModelError
from bitpredict.features.windows import Floats
from bitpredict.market.horizons import QUANTILE_LEVELS


@dataclass(frozen=True)
class Calibration:
    """How returns lie around a forecast variance.

    Attributes:
        quantiles: of log_return / sqrt(forecast variance), at QUANTILE_LEVELS, ascending.
        p_up: share of returns above zero.
        sample_size: returns it was learnt from.
    """

    quantiles: tuple[float, ...]
    p_up: float
    sample_size: int

    def returns(self, variance: Floats) -> Floats:
        """(n, 7) quantiles of the log return at QUANTILE_LEVELS, for (n,) forecast variances."""
        quantiles: Floats = np.sqrt(variance)[:, None] * np.array(self.quantiles)
        return quantiles


def calibrate(log_return: Floats, held_out: Floats) -> Calibration:
    """Learn the quantiles of standardized returns.

    Args:
        log_return: (n,) over the horizon.
        held_out: (n,) variance forecast by a fit that had not seen the row; NaN rows are left out.

    Raises:
        ModelError: there are none.
    """
    known = ~np.isnan(held_out)
    if not known.any():
        raise ModelError("no held-out forecast to calibrate on; train on a longer history")
    standardized = log_return[known] / np.sqrt(held_out[known])
    return Calibration(
        tuple(float(q) for q in np.quantile(standardized, QUANTILE_LEVELS)),
        float((standardized > 0.0).mean()),
        int(known.sum()),
    )
