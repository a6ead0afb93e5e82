"""What a tab of PackPulse is, and what it gets."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import panel as pn
import polars as pl

from energy_pipeline.settings import BatterySettings
from viewer.catalog import DeviceInfo
from viewer.pages.packpulse.data import SatGrid
from viewer.session import Session
from viewer.store import TableBroken
from viewer.texts import Texts

Read = pl.DataFrame | TableBroken | None


def rows_of(read: Read) -> pl.DataFrame | None:
    """Return the rows that were read; raise `TableBroken` where they could not be: in the panel that asks for them."""
    if isinstance(read, TableBroken):
        raise TableBroken(read.table, read.cause) from read
    return read


@dataclass(frozen=True)
class Context:
    """The system with its data: `whole` holds all days, `grid` the picked range and pack."""

    device: DeviceInfo
    whole: SatGrid
    grid: SatGrid
    read_fits: Read
    read_regimes: Read
    read_health: Read
    battery: BatterySettings
    pack: int
    first: date
    last: date

    def no_days(self, t: Texts) -> str:
        """Return that the range holds no qualified day, and from when to when there are some."""
        held = np.flatnonzero(self.whole.qualified.any(axis=0))
        if not held.size:
            return t("pack.never")
        first, last = (self.whole.first_day + timedelta(days=int(held[i])) for i in (0, -1))
        return f"{t('pack.no_days')} {t('range.exists', first=t.date(first), last=t.date(last))}"

    @property
    def fits(self) -> pl.DataFrame | None:
        """Fits of the system, None where the table does not exist; raises `TableBroken`."""
        return rows_of(self.read_fits)

    @property
    def regimes(self) -> pl.DataFrame | None:
        """Steps of the system, None where the table does not exist; raises `TableBroken`."""
        return rows_of(self.read_regimes)

    @property
    def health(self) -> pl.DataFrame | None:
        """Findings of the system's cells, None where the table does not exist; raises `TableBroken`."""
        return rows_of(self.read_health)

    def fits_of(self, level: str, quantity: str) -> pl.DataFrame:
        """Return the fits of a level and quantity, of the picked pack where one is picked."""
        if self.fits is None:
            return pl.DataFrame()
        rows = self.fits.filter((pl.col("level") == level) & (pl.col("quantity") == quantity))
        return rows if self.pack == 0 or level == "system" else rows.filter(pl.col("pack") == self.pack)


class Tab:
    """Base of the tabs."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.context: Context | None = None
        self.placed = False
        self.filled: Context | None = None  # what the panels show completely
        self.cell = ""  # the picked cell that they show
        self.shown: tuple = ()  # and how they were drawn

    @property
    def texts(self) -> Texts:
        """Texts of the chosen language."""
        return self.session.texts

    def layout(self, context: Context) -> pn.viewable.Viewable:
        """Return the tab's panels, still empty."""
        raise NotImplementedError

    async def fill(self, context: Context) -> None:
        """Load all panels."""
        raise NotImplementedError

    def drawing(self) -> tuple:
        """Return what of the selection says how this tab is drawn."""
        return ()

    async def drawing_changed(self) -> None:
        """Follow another way to draw."""

    async def cell_changed(self) -> None:
        """Follow another picked cell."""

    async def zoom_changed(self) -> None:
        """Follow another zoom."""

    async def themed(self) -> None:
        """Follow a change of the theme."""
