"""The raw folders: which devices there are, which files they have, and the bytes of a file.

A device is a folder with a readable file directly in it, or one that a `[[source]]` block names. Nothing is read
here but directory entries; `open_bytes` reads what it is asked for. Problems (a missing root, two folders of one
name) are values that name what was found; they never hide another device. Next: `loading/plan.py`.
"""

import fnmatch
import gzip
import hashlib
import os
import re
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from energy_pipeline.compute.layout import DEFAULT_SOURCE, LayoutError
from energy_pipeline.settings import NAME, Settings, Source

READABLE = (".csv", ".csv.gz", ".zip", ".parquet")
WHOLE = (".gz", ".zip", ".parquet")
BLOCK = 64 * 1024


@dataclass(frozen=True)
class RawFile:
    """One file of a device: its stable name in the ledger, where it lies, and how it is described."""

    path: str
    location: Path
    source: Source
    size: int
    mtime_ns: int

    @property
    def is_whole(self) -> bool:
        """True for files that can only be read as a whole (compressed or Parquet)."""
        return self.path.lower().endswith(WHOLE)

    @property
    def is_parquet(self) -> bool:
        """True for Parquet files."""
        return self.path.lower().endswith(".parquet") or self.source.format == "parquet"

    def age_s(self, now_s: float) -> float:
        """Time since the file was last written [s]."""
        return now_s - self.mtime_ns / 1e9


@dataclass(frozen=True)
class Problem:
    """Something that keeps a device or root from being read, in words, with what to do."""

    where: str
    message: str


@dataclass
class Discovery:
    """Devices with their files, what stands in the way, and files that nobody reads."""

    devices: dict[str, list[RawFile]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


def discover(settings: Settings) -> Discovery:
    """Find all devices below the data roots."""
    found = Discovery()
    homes: dict[str, dict[str, list[RawFile]]] = {}  # device → home folder → files
    for label, root in _labelled_roots(settings.roots):
        if not root.is_dir():
            found.problems.append(
                Problem(str(root), f"data root {root} does not exist or is not a folder; check METER_ROOTS or `roots`")
            )
            continue
        for file, device, home in _walk(label, root, settings, found):
            homes.setdefault(device, {}).setdefault(home, []).append(file)
    read = {f.source.name for folders in homes.values() for files in folders.values() for f in files}
    found.problems += _idle_sources(settings, read) if homes or found.ignored else []
    for device, folders in sorted(homes.items()):
        if not re.match(NAME, device):
            message = (
                f"{device!r} cannot be a device name: found in {', '.join(sorted(folders))}; allowed are letters, "
                f"digits, '.', '_' and '-'; rename the folder or name the device in a [[source]] block"
            )
            found.problems.append(Problem(device, message))
        elif len(folders) > 1:
            message = (
                f"two folders are called {device!r}: {' and '.join(sorted(folders))}; rename one, or name the device "
                f"in a [[source]] block. The device is left out; all others are read"
            )
            found.problems.append(Problem(device, message))
        else:
            found.devices[device] = sorted(next(iter(folders.values())), key=lambda f: f.path)
    return found


def _idle_sources(settings: Settings, read: set[str]) -> list[Problem]:
    """Blocks that describe no file: their files are read by another description, or not at all."""
    problems = []
    for source in settings.source:
        if source.name not in read:
            message = (
                f"source {source.name!r}: glob = {source.glob!r} matches no file below {', '.join(settings.roots)}, or "
                f"none that an earlier block leaves; it is compared, with case, with the path below a data root"
            )
            problems.append(Problem(f"source {source.name}", message))
    return problems


def _labelled_roots(roots: tuple[str, ...]) -> list[tuple[str, Path]]:
    """Give each root a short name of its own, which stands in front of its files in the ledger."""
    labelled: list[tuple[str, Path]] = []
    for text in roots:
        root = Path(text).expanduser()
        label, number = root.resolve().name or "root", 2
        base = label
        while any(label == other for other, _ in labelled):
            label, number = f"{base}-{number}", number + 1
        labelled.append((label, root))
    return labelled


def _walk(label: str, root: Path, settings: Settings, found: Discovery) -> list[tuple[RawFile, str, str]]:
    files = []
    for folder, subfolders, names in os.walk(root, followlinks=True):
        subfolders[:] = sorted(s for s in subfolders if not s.startswith(".") and not _leads_back(Path(folder) / s))
        for name in sorted(names):
            location = Path(folder) / name
            relative = location.relative_to(root).as_posix()
            source = _source_of(relative, settings.source)
            if source is None:
                found.ignored.append(f"{label}/{relative}")
                continue
            try:
                stat = location.stat()
            except OSError as error:
                found.problems.append(Problem(str(location), f"cannot read {location}: {error.strerror}"))
                continue
            file = RawFile(f"{label}/{relative}", location, source, stat.st_size, stat.st_mtime_ns)
            parent = location.parent
            device = source.device or (root.resolve().name if parent == root else parent.name)
            # A block may name one device for several folders; by default the folder is the device.
            home = f"source {source.name}" if source.device else str(parent)
            files.append((file, device, home))
    return files


def _leads_back(folder: Path) -> bool:
    """True for a link to a folder that it lies in: what is below it has been seen already, and would never end."""
    return folder.is_symlink() and folder.resolve() in {parent.resolve() for parent in folder.parents}


def _source_of(relative: str, sources: tuple[Source, ...]) -> Source | None:
    for source in sources:
        if fnmatch.fnmatchcase(relative, source.glob):
            return source
    name = relative.rsplit("/", 1)[-1].lower()
    if name.startswith(".") or not name.endswith(READABLE):
        return None
    if name.endswith(".parquet"):
        return DEFAULT_SOURCE.model_copy(update={"format": "parquet"})
    return DEFAULT_SOURCE


def open_bytes(file: RawFile, start: int = 0, end: int | None = None) -> bytes:
    """Return the bytes [start, end) of a plain file, or the unpacked content of a compressed one.

    Raises `LayoutError` where a compressed file is broken or a zip does not hold exactly one file.
    """
    if not file.is_whole:
        with file.location.open("rb") as handle:
            handle.seek(start)
            return handle.read() if end is None else handle.read(end - start)
    if file.path.lower().endswith(".gz"):
        try:
            with gzip.open(file.location) as handle:
                return handle.read()
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            msg = f"{file.path} is not a complete gzip file: {error}; copy it again"
            raise LayoutError(msg) from error
    if file.path.lower().endswith(".zip"):
        return _unzip(file)
    return file.location.read_bytes()


def _unzip(file: RawFile) -> bytes:
    try:
        with zipfile.ZipFile(file.location) as archive:
            members = [m for m in archive.namelist() if not m.endswith("/")]
            if len(members) != 1:
                msg = f"{file.path} holds {len(members)} files; allowed is exactly one CSV per zip"
                raise LayoutError(msg)
            return archive.read(members[0])
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:  # incl. encrypted
        msg = f"{file.path} is not a readable zip file: {error}; copy it again, without a password"
        raise LayoutError(msg) from error


def digest(data: bytes) -> str:
    """BLAKE2b of bytes, 16 hex digits."""
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def head_digest(file: RawFile, length: int) -> str:
    """Digest of the first `length` bytes of the file as it lies on disk, at most 64 KiB."""
    with file.location.open("rb") as handle:
        return digest(handle.read(min(length, BLOCK)))


def tail_digest(file: RawFile, end: int) -> str:
    """Digest of the (at most) 64 KiB before byte `end` of the file as it lies on disk."""
    start = max(0, end - BLOCK)
    with file.location.open("rb") as handle:
        handle.seek(start)
        return digest(handle.read(end - start))
