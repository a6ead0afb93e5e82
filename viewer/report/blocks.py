"""What a report is made of: figures, tables, pictures and sentences, in sections. Plain values without layout.

Next: `content.py`, which fills them; `page.html.j2`, which draws them.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Figure:
    """One key figure with its unit and what it is made of; `state` is ok, warn, bad or empty."""

    label: str
    value: str
    note: str = ""
    state: str = ""


@dataclass(frozen=True)
class Grid:
    """A table: headings, rows of written cells, and which columns are numbers or digests."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: frozenset[int] = frozenset()
    digests: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Picture:
    """A PNG with what it shows in words."""

    png: bytes
    caption: str

    @property
    def source(self) -> str:
        """The picture as an address that needs no other file."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


@dataclass(frozen=True)
class Question:
    """A question that a reader has, and the figures that answer it."""

    title: str
    figures: Sequence[Figure]


@dataclass
class Section:
    """A heading and what stands below it."""

    title: str
    text: list[str] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    grids: list[Grid] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
