"""Bytes of an answer in pieces, some of them compressed already: a gzip is strung together from them.

Each piece is compressed by itself and ends at a byte (a full flush of deflate), so that pieces can stand behind each
other in any order; the checksum goes over the texts.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from isal import isal_zlib

QUICK = 1  # of ISA-L, 0 to 3
WINDOW_BITS = 12  # rows are like their neighbours: 4 KB to look back take less time than 32 and come out no larger
SMALL = 16  # bytes
_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # no name, no time, no system
_END = b"\x03\x00"  # an empty last block


@dataclass(frozen=True)
class Piece:
    """Some bytes, and the same compressed where they are used often."""

    text: bytes
    deflated: bytes | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of both."""
        return len(self.text) + len(self.deflated or b"")


def kept_piece(text: bytes) -> Piece:
    """Return a piece with its compressed bytes."""
    return Piece(text, _deflated(text))


def plain(pieces: Iterable[Piece]) -> bytes:
    """Return the text of all pieces."""
    return b"".join([p.text for p in pieces])


def zipped(pieces: Iterable[Piece]) -> bytes:
    """Return the text of all pieces as a gzip; equal pieces give equal bytes."""
    out, fresh, checksum, size = [_HEAD], [], 0, 0
    for piece in pieces:
        checksum, size = isal_zlib.crc32(piece.text, checksum), size + len(piece.text)
        if piece.deflated is None or (fresh and len(piece.text) <= SMALL):  # not worth a block
            fresh.append(piece.text)
            continue
        if fresh:
            out.append(_deflated(b"".join(fresh)))
            fresh = []
        out.append(piece.deflated)
    if fresh:
        out.append(_deflated(b"".join(fresh)))
    return b"".join([*out, _END, struct.pack("<LL", checksum, size % 2**32)])


def _deflated(text: bytes) -> bytes:
    squeezer = isal_zlib.compressobj(QUICK, isal_zlib.DEFLATED, -WINDOW_BITS)
    return squeezer.compress(text) + squeezer.flush(isal_zlib.Z_FULL_FLUSH)


COMMA = kept_piece(b",")
