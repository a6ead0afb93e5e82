"""What can be wrong with writing to the lake, in words that say what to do.

The storage speaks through three libraries, each with errors of its own; here they become one `LakeError`. A concurrent
change (`CommitFailedError`) is none of them: the caller repeats its work. Next: `lake.py`, which wraps every commit.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from deltalake.exceptions import CommitFailedError, DeltaError

FULL = ("No space left on device", "os error 28", "[errno 28]", "quota exceeded", "os error 122", "[errno 122]")
FORBIDDEN = ("Read-only file system", "Permission denied", "os error 30", "os error 13", "[errno 30]", "[errno 13]")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class LakeBusyError(RuntimeError):
    """Another writer kept changing the same partition; the message says which, and what to do."""


class LakeError(RuntimeError):
    """The lake cannot be read or written; the message says where and what to check."""


@contextmanager
def storage(table: str, where: str) -> Iterator[None]:
    """Turn errors of the storage while a table is written into a `LakeError`.

    Args:
        table: name of the table.
        where: its folder or URL.

    Raises:
        LakeError: the storage refused; every table is left as its last commit.
        CommitFailedError: another writer was faster, as it comes.
    """
    try:
        yield
    except CommitFailedError:
        raise
    except (DeltaError, OSError) as error:
        raise LakeError(message_of(error, table, where)) from error


def message_of(error: Exception, table: str, where: str) -> str:
    """One line: which table, what the storage says, what to do."""
    text = " ".join(COLOUR.sub("", str(error)).replace("↳", ":").split())
    place = f"cannot write table {table} at {where.removeprefix('file://')}"
    if any(word.lower() in text.lower() for word in FULL):
        return f"{place}: the disk is full; free space there, then run again, which completes the work ({text})"
    if any(word.lower() in text.lower() for word in FORBIDDEN):
        return (
            f"{place}: the lake is read-only or may not be written by this user; check the setting `lake` and its "
            f"permissions, then run again ({text})"
        )
    return f"{place}: {text}; check the storage, then run again"
