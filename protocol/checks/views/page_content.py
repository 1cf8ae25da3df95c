"""What frames hold, and whether it is saved: zeroed, filled, stored to, written out; and the stretches in which a page changes hands while
its object's lock is dropped.

A write-out begins with a transition that the page daemon notes when the page is soft-busy and write-protected, and it has saved what was
stored until then; the dirty bits are cleared when it has ended well, and stay where it has not. A store in between is not saved by it.
"""

from __future__ import annotations

from typing import Any

from protocol.checks.state import OTHER, SAVING, STORED, ZEROS, PageView
from protocol.records import Head


def zero(record: Any, view: PageView, head: Head) -> None:
    """The frame's content is zero."""
    view.content = ZEROS


def fill(record: Any, view: PageView, head: Head) -> None:
    """It is whatever was read or copied into it."""
    view.content = OTHER


def store(record: Any, view: PageView, head: Head) -> None:
    """A user's store has completed."""
    view.content = OTHER
    view.unsaved |= STORED


def dirty(record: Any, view: PageView, head: Head) -> None:
    """All clear means that a write-out has ended well."""
    view.dirty = record[3]
    if not record[3]:
        view.unsaved &= ~SAVING


def torn(record: Any, view: PageView, head: Head) -> None:
    """A write-out has reached the device in part: what was stored is not saved by it, though its end will say so."""
    if view.unsaved:
        view.unsaved = STORED


def reclaim(record: Any, view: PageView, head: Head) -> None:
    """The page is about to be freed as clean."""
    view.reclaimable = True


def transition(record: Any, view: PageView, head: Head) -> None:
    """The page begins, or ends, to be filled, moved, mapped or written while its object's lock is dropped."""
    if record[5]:
        view.moving += 1
        if view.soft and view.unsaved:
            view.unsaved = SAVING
    elif view.moving:
        view.moving -= 1
