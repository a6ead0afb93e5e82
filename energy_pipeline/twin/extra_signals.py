"""The other signals of a system: inverter, cooling, auxiliaries, humidity, fire alarm.

Plausible shapes with the names of the field; nothing is concluded from them but temperatures and auxiliaries.
`climate` gives the temperatures that all of them share.
"""

from collections.abc import Callable

import numpy as np
from scipy.signal import lfilter

from energy_pipeline.twin.files import Floats, Ints, SignalSpec
from energy_pipeline.twin.operation import Trajectory
from energy_pipeline.twin.plan import DAY_S, PlantPlan
from energy_pipeline.twin.signals import Rng, System

CLIMATE_STEP_S = 600
AUX_QUANTUM_KWH = 0.4
_PLAIN = {
    "pcs1_ua": 231.0, "pcs1_ub": 230.4, "pcs1_uc": 230.8, "pcs1_f": 50.0, "pcs1_t_b": 31.0, "pcs1_t_c": 31.5,
    "pcs1_t_env": 27.0, "pcs1_q": 0.4, "pcs1_dc_v": 858.0, "pcs1_run_state": 2.0, "pcs1_errcode": 0.0,
    "pcs1_grid_state": 1.0, "pcs1_set_p": 0.0, "pcs1_ia": 1.0, "pcs1_ib": 1.1, "pcs1_ic": 0.9, "ac1_outt_set": 22.0,
    "ac1_fan": 1.0, "ac1_comp": 0.0, "ac1_mode": 1.0, "ac1_alarm": 0.0, "ac1_pump": 1.0, "ac1_press": 1.6,
    "ac1_retset": 25.0, "aux_m_ua": 230.9, "aux_m_ub": 230.2, "aux_m_uc": 231.1, "aux_m_ia": 2.1, "aux_m_ib": 2.4,
    "aux_m_ic": 1.9, "aux_m_f": 50.0, "aux_m_pf": 0.93, "bms1_ins_r": 5200.0, "bms1_state": 2.0, "bms1_alarm": 0.0,
    "bms1_max_charge_c": 140.0, "bms1_max_discharge_c": 140.0, "bms1_cell_max_v_no": 57.0, "bms1_cell_min_v_no": 83.0,
    "bms1_cell_max_t": 27.0, "bms1_cell_min_t": 23.0, "bms1_cell_max_t_no": 12.0, "bms1_cell_min_t_no": 40.0,
    "bms1_contactor": 1.0, "bms1_hv_state": 1.0, "bms1_balance": 0.0, "bms1_heartbeat": 12.0, "bms1_runtime": 900.0,
    "dh1_state": 0.0, "fa1_H2": 0.0, "fa1_Voc": 1.0, "fa1_TempFlag": 0.0, "fa1_HandFlag": 0.0, "fa1_RunState": 1.0,
    "fa1_Level": 0.0,
}  # fmt: skip


def climate(plan: PlantPlan, run: Trajectory, number: int) -> tuple[Ints, Floats, Floats]:
    """Return instants (UTC seconds), outside temperature and mean cell temperature [degC]."""
    first, last = plan.start_s(plan.bess_zone), plan.start_s(plan.bess_zone) + (plan.days + 1) * DAY_S
    t = np.arange(first - DAY_S, last + DAY_S, CLIMATE_STEP_S, dtype=np.int64)
    outside = ambient_c(plan, t)
    rng = np.random.default_rng([plan.seed, 6000 + number])
    load = (run.current(t) / (plan.charge_c * plan.capacity_ah)) ** 2
    keep = np.exp(-CLIMATE_STEP_S / 7200)
    heat = lfilter([1 - keep], [1, -keep], load)
    return t, outside, 22.0 + 0.14 * (outside - 10) + 6.0 * heat + rng.normal(0, 0.4)


def ambient_c(plan: PlantPlan, t: Ints) -> Floats:
    """Outside temperature: season, time of day and weather [degC]; `t` are UTC seconds every 10 min."""
    rng = np.random.default_rng([plan.seed, 6500])
    keep = np.exp(-CLIMATE_STEP_S / (3 * DAY_S))
    weather = lfilter([np.sqrt(1 - keep**2)], [1, -keep], rng.standard_normal(len(t)))
    year = ((t / DAY_S) % 365.25 - 200) * 2 * np.pi / 365.25
    day = ((t % DAY_S) / 3600 - 13.5) * 2 * np.pi / 24
    return 10.5 + 9.5 * np.cos(year) + 4.0 * np.cos(day) + 3.2 * weather


def extra_signals(s: System) -> list[SignalSpec]:
    """Describe inverter, cooling, auxiliary, humidity and safety signals."""
    plan, slow = s.plan, s.plan.slow_period_s
    rng = np.random.default_rng([plan.seed, 7000 + s.number])
    change = s.start_s + int(0.26 * plan.days) * DAY_S

    def add(name: str, decimals: int, values: Callable[[Ints, Rng], Floats], period: int = slow) -> SignalSpec:
        first, last = s.start_s + int(rng.integers(0, 21_600)), s.end_s - int(rng.integers(0, 21_600))
        if name == "pcs1_t_a":
            last = max(change, first + DAY_S // 2)
        if name == "pcs1_t_igbt":
            first = change
        return SignalSpec(name, period, decimals, values, first, last)

    def igbt(t: Ints, r: Rng) -> Floats:
        return s.warm(t) + 5 + 0.2 * np.abs(s.ac_kw(t)) + r.normal(0, 0.6, len(t))

    specs = [
        add("pcs1_t_a", 0, lambda t, r: igbt(t, r) - 2),
        add("pcs1_t_igbt", 0, igbt),
        add("ac1_outt", 1, lambda t, r: 17.5 + 0.05 * s.ambient(t) + r.normal(0, 0.3, len(t))),
        add("ac1_rettemp", 1, lambda t, r: s.warm(t) - 1.5 + r.normal(0, 0.2, len(t))),
        add("dh1_humi", 0, lambda t, r: 48 - 0.5 * (s.ambient(t) - 10) + r.normal(0, 1.2, len(t))),
        add("dh1_temp", 1, lambda t, r: s.warm(t) - 0.8 + r.normal(0, 0.1, len(t))),
        add("fa1_SmokeFlag", 0, lambda t, _: np.zeros(len(t))),
        add("fa1_ErrCode", 0, lambda t, _: np.where((t - s.start_s) // 3600 % 4001 == 1999, 12.0, 0.0)),
        add("fa1_Co", 0, lambda t, r: r.integers(0, 3, len(t)).astype(float)),
        *_auxiliary(s, add),
    ]
    if plan.many_signals:
        specs += [add(name, 0 if level.is_integer() else 1, _plain(level)) for name, level in _PLAIN.items()]
    if plan.outside_sensor:
        specs.append(add("env1_outside_t", 1, lambda t, r: s.ambient(t) + r.normal(0, 0.2, len(t))))
    return specs


def _plain(level: float) -> Callable[[Ints, Rng], Floats]:
    """Values around a constant; whole numbers stand still."""
    spread = 0.0 if level.is_integer() else 0.01 * abs(level)
    return lambda t, r: level + spread * np.clip(r.standard_normal(len(t)), -3, 3)


def auxiliary_kw(s: System) -> Floats:
    """Power of the auxiliaries at the instants of the climate [kW]: more cooling on warm days and under load."""
    power = 0.8 + 0.06 * np.maximum(s.ambient_c - 14, 0) + 0.09 * np.maximum(s.battery_c - 22, 0)
    return power + 0.04 * np.maximum(4 - s.ambient_c, 0)


def _auxiliary(s: System, add: Callable[..., SignalSpec]) -> list[SignalSpec]:
    """Power and registers of the auxiliaries."""
    hour, power = s.climate_s, auxiliary_kw(s)
    energy = np.concatenate([[0.0], np.cumsum(power[:-1]) * CLIMATE_STEP_S / 3600])

    def register(t: Ints, _: Rng) -> Floats:
        i = np.clip((t - hour[0]) // CLIMATE_STEP_S, 0, len(hour) - 1)
        kwh = energy[i] + power[i] * (t - hour[i]) / 3600
        return np.floor((5000 + kwh) / AUX_QUANTUM_KWH) * AUX_QUANTUM_KWH

    def now(t: Ints, _: Rng) -> Floats:
        return power[np.clip((t - hour[0]) // CLIMATE_STEP_S, 0, len(hour) - 1)]

    return [
        add("aux_m_com_ap", 2, now),
        add("aux_m_com_ae", 1, register),
        add("aux_m_pos_ae", 1, register),
        add("aux_m_neg_ae", 1, lambda t, _: np.full(len(t), 3.2)),
    ]
