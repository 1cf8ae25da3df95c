"""What a device holds of pages whose last write was torn: of each, the 512-byte pieces that have reached it.

A page that is not named here is whole: what was last written to (object, offset) is what is read from there. Content itself is no data of
the model; that it is not what it should be is.
"""

from __future__ import annotations

import msgspec

from protocol.pages import VALID_ALL

PIECES = VALID_ALL.bit_length()
"""Pieces of a page."""


class Content(msgspec.Struct, array_like=True):
    """Object to page index to the pieces, as a bitmap, that are of its last write."""

    pieces: dict[str, dict[int, int]] = {}

    def __bool__(self) -> bool:
        return bool(self.pieces)

    def of(self, obj: str, pindex: int) -> int:
        """The pieces of this page that are as they were last written."""
        return self.pieces[obj].get(pindex, VALID_ALL) if obj in self.pieces else VALID_ALL

    def put(self, obj: str, pindex: int, pieces: int) -> None:
        """The page has been written, so far."""
        if pieces != VALID_ALL:
            self.pieces.setdefault(obj, {})[pindex] = pieces
        elif obj in self.pieces:
            self.pieces[obj].pop(pindex, None)
            if not self.pieces[obj]:
                del self.pieces[obj]

    def forget(self, obj: str, start: int = 0, end: int = 1 << 62) -> None:
        """The pages of [start, end) are on the device no more."""
        for pindex in [pindex for pindex in self.pieces.get(obj, ()) if start <= pindex < end]:
            self.put(obj, pindex, VALID_ALL)


def pieces_written(place: int, pages: int) -> int:
    """Of the page that is number ``place`` of a write of so many pages, what reaches the device if only the first half of it does."""
    reached = max(0, min(PIECES, pages * PIECES // 2 - place * PIECES))
    return (1 << reached) - 1
