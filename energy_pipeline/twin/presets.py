"""Ready plans: tiny (tests), demo, planted_drift (truth test of the trend) and full (DATA's sampling).

Next: `plan.py` for the meaning of each field.
"""

from dataclasses import replace
from datetime import date

from energy_pipeline.twin import faults as f
from energy_pipeline.twin.plan import PlantPlan

PRESETS = ("tiny", "demo", "planted_drift", "full")


def plan_preset(
    preset: str = "demo",
    systems: int = 1,
    meters: int = 6,
    days: int | None = None,
    seed: int = 7,
    start: date = date(2024, 1, 1),
) -> PlantPlan:
    """Return a preset plan, resized.

    Args:
        preset: tiny, demo, planted_drift or full.
        systems: number of battery systems.
        meters: number of meters.
        days: length of the plan [d]; default of the preset if None (tiny 40, demo and planted_drift 270, full 600).
        seed: the same seed gives the same bytes.
        start: first local day.

    Raises:
        ValueError: `preset` is unknown.
    """
    makers = {"tiny": _tiny, "demo": _demo, "planted_drift": _planted_drift, "full": _full}
    if preset not in makers:
        msg = f"preset {preset!r} is unknown; choose one of {', '.join(PRESETS)}"
        raise ValueError(msg)
    length = days or {"tiny": 40, "demo": 270, "planted_drift": 270, "full": 600}[preset]
    base = PlantPlan(name=preset, start=start, days=length, systems=systems, meters=meters, seed=seed)
    plan = makers[preset](base)
    return replace(plan, faults=tuple(x for x in plan.faults if _fits(x, plan)))


def _fits(fault: f.Fault, plan: PlantPlan) -> bool:
    """Tell whether a preset's fault exists in a plan of this size."""
    day = getattr(fault, "day", getattr(fault, "from_day", 0))
    return day < plan.days and getattr(fault, "meter", 0) <= plan.meters and (getattr(fault, "system", 0) or 0) < max(
        plan.systems, 1
    )


def _tiny(base: PlantPlan) -> PlantPlan:
    return replace(base, packs=2, cells_per_pack=4, meters=min(base.meters, 2), register_period_s=900)


def _planted_drift(base: PlantPlan) -> PlantPlan:
    planted = (f.DriftingOffset(pack=3, cell=17, mv_per_year=24.0), f.RegimeStep(day=140, mv=-24.0))
    return replace(base, two_cycles_until_day=0, disorder_share=0.0, faults=planted)


def _demo(base: PlantPlan) -> PlantPlan:
    planted = (
        f.DriftingOffset(pack=3, cell=17, mv_per_year=24.0),
        f.RegimeStep(day=140, mv=-24.0),
        f.WeakCapacity(pack=2, cell=31, fraction=0.03),
        f.SentinelSpikes(signal="bms1_p1_v8", value=65.535, count=3),
        f.SentinelSpikes(signal="bms1_p4_v44", value=0.0, count=2),
        f.SentinelSpikes(signal="bms1_p5_t1", value=255.0, count=2),
        f.MissingDays(from_day=95, days=3),
        f.RegisterReset(meter=4, signal="pos_ae", day=120),
        f.RegisterDip(meter=5, signal="pos_ae", day=60, hours=2.0, kwh=60.0),
    )
    return replace(
        base, two_cycles_until_day=160, fade_percent_per_year=1.5, soh_percent_per_year=4.0, faults=planted
    )


def _full(base: PlantPlan) -> PlantPlan:
    demo = _demo(base)
    small = f.RegisterDip(meter=5, signal="pos_ae", day=60, hours=2.0, kwh=12.0)  # plausible within one minute
    return replace(
        demo,
        faults=tuple(small if isinstance(x, f.RegisterDip) else x for x in demo.faults),
        cell_period_s=60,
        cell_fast_period_s=10,
        state_period_s=30,
        slow_period_s=60,
        register_period_s=60,
        fast_above_v=3.39,
        fast_below_v=3.15,  # so that the empty end is seen closely enough to anchor a capacity
        temperatures_per_pack=base.cells_per_pack,
        many_signals=True,
        two_cycles_until_day=366,
    )
