"""Student's t distribution for arrays of real degrees of freedom, from `scipy.special`.

The numbers are those of `scipy.stats.t`, bit for bit; `scipy.stats` itself takes about a second to import, which every
run of the pipeline and every start of a server would pay.
Next: `verdicts.py` and `fit_rows.py`, which ask for both.
"""

import numpy as np
from scipy import special

from energy_pipeline.compute.battery_series import Float


def survival(t: Float | float, df: Float | float) -> Float:
    """Return the probability that a t variable of `df` degrees of freedom is above `t` (NaN for df ≤ 0)."""
    return np.asarray(special.stdtr(df, np.negative(t)))


def quantile(p: Float | float, df: Float | float) -> Float:
    """Return the value that a t variable of `df` degrees of freedom stays below with probability `p`."""
    return np.asarray(special.stdtrit(df, p))
