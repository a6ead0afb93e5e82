"""The pages, named after what stands on the screen."""

from viewer.pages.base import Page
from viewer.pages.bess_overview import BessOverview
from viewer.pages.compare import Compare
from viewer.pages.data_quality import DataQuality
from viewer.pages.overview import Overview
from viewer.pages.packpulse import PackPulse
from viewer.pages.single_meter import SingleMeter

PAGES: dict[str, type[Page]] = {
    "overview": Overview,
    "meter": SingleMeter,
    "compare": Compare,
    "bess": BessOverview,
    "packpulse": PackPulse,
    "quality": DataQuality,
}
