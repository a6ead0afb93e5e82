"""Thresholds of the battery figures, with bounds, units and meaning. Next: the modules of `compute/` that use them."""

from typing import Literal

from pydantic import Field, model_validator

from energy_pipeline.settings.base import Limits, Model


class BatterySettings(Model):
    """Thresholds of the battery science; METRICS in `docs/metrics.md` explain each."""

    chemistry: Literal["LFP", "NMC"] = "LFP"
    nameplate_ah: float = Field(280.0, gt=0, description="assumed capacity of a cell string [Ah]; shown as assumed")
    nameplate_kwh: float = Field(233.0, gt=0, description="assumed energy [kWh]; shown as assumed")
    full_median_cell_v: float | None = Field(None, gt=0, description="median cell of a qualified charge [V]; LFP 3.38")
    empty_cell_v: float | None = Field(None, gt=0, description="lowest cell of an empty end [V]; LFP 3.00")
    sat_window_v: Limits | None = Field(None, description="SAT voltages outside are refused [V]")
    min_current_a: float = Field(1.0, gt=0, description="below this |current| is rest [A]")
    min_current_c: float = Field(0.01, gt=0, description="below this C-rate is rest [1/h]")
    delta_offset_mv_per_year: float = Field(3.0, gt=0)
    delta_index_percent_per_year: float = Field(0.3, gt=0)
    delta_capacity_percent_per_year: float = Field(0.5, gt=0)
    regime_min_step_mv: float = Field(10.0, gt=0)
    regime_min_days: int = Field(28, ge=7)
    regime_penalty: float = Field(6.0, gt=0, description="times ln(n) × long-run variance: the price of a step")
    regime_moved_share: float = Field(0.6, gt=0, le=1, description="cells that must move for an operating regime [1]")
    cell_step_mv: float = Field(5.0, gt=0, description="a cell's own offset gets a new level from this step on [mV]")
    cell_finding_mv: float = Field(10.0, gt=0, description="a dated step of one cell is searched for from here on [mV]")
    current_sign: Literal[1, -1] | None = Field(None, description="+1: charging is positive; default: found")
    active_max_hold_s: float = Field(900.0, gt=0, description="longest gap merged inside a segment [s]")
    rest_s: float = Field(600.0, gt=0, description="rest that ends a segment [s]")
    blip_s: float = Field(60.0, ge=0, description="opposite current up to this long does not end a segment [s]")
    segment_min_s: float = Field(1800.0, gt=0, description="shorter segments are dropped [s]")
    segment_max_s: float = Field(86400.0, gt=0, description="longer segments are cut [s]")
    segment_min_soc: float = Field(5.0, gt=0, description="segments with a smaller change of SOC are dropped [points]")
    end_current_s: float = Field(180.0, gt=0, description="time before the end over which the current is averaged [s]")
    zero_within_s: float = Field(86400.0, gt=0, description="rest within this time gives the zero of the current [s]")
    sat_before_s: float = Field(1200.0, gt=0, description="window before the end of a charge [s]")
    sat_after_s: float = Field(300.0, ge=0, description="window after the end of a charge [s]")
    sat_neighbour_mv: float = Field(15.0, gt=0, description="support: this close to the neighbours [mV]")
    sat_second_s: float = Field(120.0, gt=0, description="or to a second reading at most this far away [s]")
    offset_window_s: float = Field(180.0, gt=0, description="common instants lie in this time before the end [s]")
    offset_step_s: float = Field(15.0, gt=0, description="distance of common instants [s]")
    offset_min_instants: int = Field(2, ge=1)
    offset_min_cells: float = Field(0.8, gt=0, le=1, description="share of cells that a common instant needs [1]")
    qualified_delta_soc: float = Field(20.0, ge=0, description="rise of SOC of a qualified charge [points]")
    qualified_soc: float = Field(95.0, gt=0, description="SOC at the end of a qualified charge [%], or p75 − margin")
    qualified_soc_margin: float = Field(2.0, ge=0, description="margin below the system's own 75th percentile [points]")
    qualified_readings: int = Field(3, ge=1)
    qualified_coverage: float = Field(0.9, gt=0, le=1)
    plateau_level_mv: float = Field(15.0, gt=0, description="no segments: a day must reach the usual level [mV]")
    baseline_days: int = Field(30, ge=1)
    baseline_min_days: int = Field(14, ge=1)
    slope_min_days: int = Field(60, ge=10, description="qualified days before a slope is shown")
    slope_min_span_days: int = Field(90, ge=10)
    verdict_min_days: int = Field(120, ge=10, description="qualified days before a verdict is given")
    verdict_min_span_days: int = Field(180, ge=10)
    false_discovery_rate: float = Field(0.05, gt=0, lt=1)
    bootstrap_samples: int = Field(400, ge=0, description="0 leaves the block bootstrap out")
    bootstrap_seed: int = 20240917
    bootstrap_block_days: int = Field(28, ge=2)
    quality_r2: tuple[float, float] = Field((0.95, 0.90), description="very linear, linear from this R² on")
    quality_annual_percent: tuple[float, float] = Field((2.0, 10.0), description="low, moderate annual loss below [%]")
    quality_annual_mv: tuple[float, float] = Field((3.0, 10.0), description="the same for offsets [mV]")
    quality_cycle_percent: tuple[float, float] = Field((0.01, 0.05), description="very good, moderate below [%/cycle]")
    projection_max_ratio: float = Field(3.0, gt=0, description="cycles ahead over cycles seen, beyond: no number")
    end_of_life_percent: float = Field(
        80.0, gt=0, lt=100, description="end of life: capacity at this share of its own start [%]"
    )
    anchor_full_mv: float = Field(5.0, gt=0, description="full: highest cell within this of the month's level [mV]")
    anchor_max_h: float = Field(72.0, gt=0, description="longest way from one anchor to the next [h]")
    anchor_soc_gap: float = Field(2.0, gt=0, description="SOC may change this much between segments [points]")
    anchor_coverage: float = Field(0.98, gt=0, le=1, description="current must cover this share of each segment")
    first_capacity_days: int = Field(30, ge=1, description="own reference of capacity: its first days")
    capacity_days: int = Field(20, ge=1)
    capacity_min_values: int = Field(8, ge=1)
    capacity_soc_points: float = Field(80.0, gt=0)
    current_quantum_a: float = Field(0.1, gt=0, description="step of the current sensor [A]")
    zero_unknown_a: float = Field(
        1.0, ge=0, description="standard uncertainty of the current's zero where none was read at rest [A]"
    )
    voltage_quantum_mv: float = Field(1.0, gt=0, description="step of the cell voltages [mV]")
    round_trip_efc: float = Field(7.0, gt=0)
    round_trip_soc: float = Field(2.0, gt=0, description="windows close within this difference of SOC [points]")
    soc_hysteresis: float = Field(3.0, gt=0, description="turns of SOC smaller than this do not count [points]")
    efc_difference_percent: float = Field(5.0, gt=0, description="counts of cycles that differ by more are flagged [%]")
    efc_compare_from: float = Field(5.0, gt=0, description="full cycles from which the counts are compared [1]")
    soh_flat_days: int = Field(270, ge=30, description="a BMS health that stands still for this long is `flat` [d]")
    soh_flat_efc: float = Field(100.0, gt=0, description="while at least this many full cycles were made [1]")
    soh_jump_points: float = Field(3.0, gt=0, description="a larger change of BMS health in a day is a `jump` [points]")
    soh_difference_points: float = Field(
        5.0, gt=0, description="BMS health and measured capacity, each against its start, `differ` from here [points]"
    )
    comparisons: bool = Field(
        True, description="false leaves out what is only shown beside the fit: Newey-West, Mann-Kendall, intervals of "
        "Theil-Sen, bootstrap, quadratic term"
    )
    recent_days: int = Field(30, ge=1, description="`last 30 days` of the figures of a cell")
    rest_compare_s: float = Field(3600.0, gt=0, description="cells at rest are compared this long after the end [s]")
    outlier_z: float = Field(5.0, gt=0)
    outlier_mv: float = Field(8.0, gt=0)
    left_out_z: float = Field(10.0, gt=0, description="single days beyond this leave the fits (stuck or wrong reading)")
    left_out_half_days: int = Field(7, ge=2, description="half width of the running median they are compared with")
    resistance_ratio: float = Field(1.15, gt=1, description="a cell's resistance over the median that is a finding")
    outlier_median_days: int = Field(90, ge=7)
    outlier_of_days: tuple[int, int] = Field((5, 7), description="outlier on so many of the last so many days")
    offset_static_mv: float = Field(15.0, gt=0, description="a steady offset from here on is listed [mV]")
    spread_rest_mv: tuple[float, float] = Field((20.0, 50.0), description="warn and critical spread at rest [mV]")
    spread_charge_end_mv: tuple[float, float] = Field((50.0, 120.0), description="the same at the end of charge [mV]")
    temperature_spread_k: tuple[float, float] = Field((5.0, 8.0), description="warn and critical spread [K]")
    temperature_limits_c: tuple[float, float] = Field((35.0, 45.0), description="hours above these are counted [°C]")
    stuck_h: float = Field(6.0, gt=0, description="no change for this long while the neighbours move [h]")
    stuck_neighbour_mv: float = Field(30.0, gt=0, description="the median cell must move this much meanwhile [mV]")
    resistance_step_c: float = Field(0.1, gt=0, description="smallest step of the current [1/h]")
    resistance_delay_s: float = Field(90.0, gt=0)
    resistance_min_steps: int = Field(5, ge=1)
    resistance_steps_per_day: int = Field(24, ge=1, description="largest number of steps kept per day")
    resistance_run_share: float = Field(
        0.2, gt=0, le=1, description="a step counts where the voltage, by its run before, moved at most this share of "
        "the step's change by itself until it was read [1]"
    )
    resistance_steady_c: float = Field(0.02, gt=0, description="the current may move this much before a step [1/h]")
    explained_min_days: int = Field(60, ge=20, description="qualified days before SAT is explained")
    explained_min_spread: tuple[float, float, float] = Field(
        (0.02, 2.0, 1.0), description="smallest spread (p90 − p10) of current [C], temperature [K], SOC [points]"
    )
    explained_max_vif: float = Field(5.0, gt=1, description="factors that others explain beyond this are not shown")
    soc_bins: tuple[float, float] = Field((20.0, 80.0), description="borders of the SOC bins [%]")
    resistance_min_weeks: int = Field(13, ge=5, description="weekly medians before a trend of resistance is shown")
    resistance_verdict_weeks: int = Field(26, ge=5, description="weekly medians before a verdict on it is given")
    delta_resistance_percent_per_year: float = Field(5.0, gt=0, description="a smaller trend is none [%/year]")
    resistance_common_share: float = Field(
        0.2, gt=0, le=1, description="where more cells of a bin than this share move one way, none gets a verdict [1]"
    )
    resistance_min_spread: tuple[float, float, float] = Field(
        (2.0, 5.0, 2.0), description="smallest spread (p90 − p10) of temperature [K], delay [s], SOC [points] to adjust"
    )
    auxiliary_base_c: float = Field(15.0, description="warm and cold days of the auxiliaries count from here [°C]")
    auxiliary_min_days: int = Field(60, ge=20, description="days before the auxiliaries are explained")
    auxiliary_min_spread: tuple[float, float] = Field(
        (3.0, 0.2), description="smallest spread (p90 − p10) of temperature [K] and of throughput [full cycles per day]"
    )
    round_trip_coverage: float = Field(
        0.98, gt=0, le=1, description="data of every day of an AC window must cover this share [1]"
    )
    outside_warmest_h: tuple[float, float] = Field(
        (11.5, 18.5), description="hours of the place's clock in which days are warmest; else the clock is wrong [h]"
    )
    outside_min_swing_k: float = Field(1.0, gt=0, description="days with a smaller daily swing say nothing [K]")
    evidence_min_days: int = Field(20, ge=5, description="days before the clock is judged by temperature")
    schedule_days: int = Field(21, ge=7, description="days before and after a night of change that are compared")
    schedule_min_days: int = Field(6, ge=3, description="days with a first charge needed on either side")

    @model_validator(mode="after")
    def _empty_below_full(self) -> "BatterySettings":
        empty, full = self.voltage("empty_cell_v"), self.voltage("full_median_cell_v")
        if empty >= full:
            msg = (
                f"empty_cell_v = {empty:g} must be smaller than full_median_cell_v = {full:g} "
                f"(what is not set is the default of chemistry = {self.chemistry!r})"
            )
            raise ValueError(msg)
        return self

    def voltage(self, name: str) -> float:
        """Return `full_median_cell_v` or `empty_cell_v`, from the settings or the chemistry's default [V]."""
        given = getattr(self, name)
        defaults = {
            "LFP": {"full_median_cell_v": 3.38, "empty_cell_v": 3.00},
            "NMC": {"full_median_cell_v": 4.05, "empty_cell_v": 3.30},
        }
        return given if given is not None else defaults[self.chemistry][name]

    @property
    def sat_limits_v(self) -> tuple[float, float]:
        """Range in which a SAT voltage can lie [V]."""
        return self.sat_window_v or {"LFP": (2.8, 3.8), "NMC": (3.3, 4.4)}[self.chemistry]
