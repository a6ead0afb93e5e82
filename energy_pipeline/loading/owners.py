"""Whose a file is: by the settings, and where a whole folder has got another name.

The settings give a file to a device; a device whose folder is gone while another device has the same files has been
renamed. Either way the rows are the other device's now, or they would count twice. Next: `plan.py`, which takes them
out of the first.
"""

from collections.abc import Mapping
from pathlib import PurePosixPath

from energy_pipeline.loading.plan import MOVED, LedgerEntry, ledger_entries, same_start
from energy_pipeline.resources.lake import Lake
from energy_pipeline.resources.raw_files import RawFile


def owners_of(lake: Lake, files: Mapping[str, list[RawFile]]) -> dict[str, str]:
    """Return the device of each file on disk by path, and of each file of a device that has another name by now."""
    owners = {file.path: device for device, own in files.items() for file in own}
    for device in lake.devices():
        if device not in files:
            entries = ledger_entries(lake.read("source_files", device))
            name = _new_name(lake, entries, files)
            owners |= dict.fromkeys(entries, name) if name is not None else {}
    return owners


def _new_name(lake: Lake, entries: Mapping[str, LedgerEntry], files: Mapping[str, list[RawFile]]) -> str | None:
    """Return the device that has every file of which rows are held, by name and content; it may have grown.

    Only a device that has read them: a folder whose new name no `glob` fits may be unreadable; no row is lost then.
    """
    held = [e for e in entries.values() if e.status != MOVED and e.read_bytes > 0]
    for device, own in files.items():
        by_name = {PurePosixPath(f.path).name: f for f in own}
        pairs = [(by_name.get(PurePosixPath(e.path).name), e) for e in held]
        if pairs and all(_goes_on(file, entry) for file, entry in pairs):
            read = ledger_entries(lake.read("source_files", device))
            if all(_has_read(read.get(file.path), entry) for file, entry in pairs if file is not None):
                return device
    return None


def _has_read(new: LedgerEntry | None, old: LedgerEntry) -> bool:
    return new is not None and new.read_bytes >= old.read_bytes and set(old.signals) <= set(new.signals)


def _goes_on(file: RawFile | None, entry: LedgerEntry) -> bool:
    if file is None or file.size < entry.read_bytes or (file.is_whole and file.size != entry.size):
        return False
    try:
        return same_start(file, entry)
    except OSError:  # gone or locked since it was listed: the next look asks again
        return False
