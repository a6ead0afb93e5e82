"""Student's t distribution for arrays of real degrees of freedom, from `scipy.special`.

The numbers are those of `scipy.stats.t`, bit for bit; `scipy.stats` itself takes about a second to import, which every
run of the pipeline and every start of a server would pay. For the same reason scipy's parts are named in full where
they are used, here and in the modules around: a part is imported when it is first asked for, and most runs ask for
none.
Next: `verdicts.py` and `fit_rows.py`, which ask for both.
"""

import numpy as np
import scipy

from energy_pipeline.compute.battery_series import Float


def survival(t: Float | float, df: Float | float) -> Float:
    """Return the probability that a t variable of `df` degrees of freedom is above `t` (NaN for df ≤ 0)."""
    return np.asarray(scipy.special.stdtr(df, np.negative(t)))


def quantile(p: Float | float, df: Float | float) -> Float:
    """Return the value that a t variable of `df` degrees of freedom stays below with probability `p`."""
    return np.asarray(scipy.special.stdtrit(df, p))
