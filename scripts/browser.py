"""Debian's Chromium, for the scripts that measure or picture pages."""

import shutil
import sys

CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


def chromium_path() -> str:
    """Return where the system keeps its Chromium; end the program where it has none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        sys.exit("Chromium is missing: install it (Debian: apt-get install chromium)")
    return path
