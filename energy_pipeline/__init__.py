"""Analytics for smart meters and battery storage: from folders of CSV to verdicts with their uncertainty."""

__version__ = "0.1.0"
