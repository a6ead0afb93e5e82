"""Noise of a cell's offset as real cells have it: classes with their share, for plants and for simulated systems.

After measurements on real systems: white 1–2 mV plus a slow part of 0.4–3.5 mV that is correlated over 35 to 40 days,
and two control classes (white 4.5 mV; AR(1) 0.5). Next: `cells.py`, which draws a class per cell; `score/simulate.py`.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class NoiseClass:
    """Noise of a cell's offset: white and slow standard deviation [mV], correlation time [d], share of cells."""

    name: str
    white_mv: float
    slow_mv: float
    tau_days: float
    share: float


CLASSES = (
    NoiseClass("quiet", 1.5, 0.4, 35.0, 0.30),
    NoiseClass("mild", 1.5, 1.5, 35.0, 0.30),
    NoiseClass("slow", 2.0, 3.0, 40.0, 0.15),
    NoiseClass("hard", 1.5, 3.5, 40.0, 0.10),
    NoiseClass("white", 4.5, 0.0, 1.0, 0.10),
    NoiseClass("ar1", 0.0, 4.5, float(1.0 / np.log(2.0)), 0.05),
)
