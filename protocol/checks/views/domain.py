"""The base of the views: how a record becomes calls of checks before it, one update of the view, and calls of checks after it.

Handlers are composed once, as closures over the view's dictionary. A loop over all checks per record, each finding its own view, was
measured at more than twice the time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from protocol.checks.base import Check, Derived, Findings, Hook
from protocol.records import Head

Update = Callable[[Any, Any, Head], None]
"""(record, view, event head): apply the record to the view."""
Handler = Callable[[Any, Head, int], None]
ACTOR = 0


class Domain:
    """A view and the checks that read it. Subclasses set ``name`` and build ``handlers``."""

    name: ClassVar[str] = ""

    def __init__(self, findings: Findings, checks: Sequence[Check]) -> None:
        self.findings = findings
        self.checks = [check for check in checks if self.name in check.domains]
        for check in self.checks:
            check.attach(self)
        self._before = _hooks(self.checks, [check.before.get(self.name, {}) for check in self.checks])
        self._after = _hooks(self.checks, [check.after.get(self.name, {}) for check in self.checks])

    def handlers(self) -> list[tuple[int, int, Handler]]:
        """(role, record number, handler), in the order in which they must be called."""
        raise NotImplementedError

    def summary(self, shard: int) -> list[Derived]:
        """What the global stage must know of this view at a slice's edge."""
        return []

    def finish(self, head: Head, ended: str, active_since_ns: int) -> None:
        """The end of the run: let each check judge what it can only judge now."""
        for check in self.checks:
            check.finish(self, head, ended, active_since_ns)

    def around(self, number: int) -> tuple[list[Hook], list[Hook]]:
        """The checks' methods to call before and after a record of this kind is applied."""
        return self._before.get(number, []), self._after.get(number, [])

    def compose(self, number: int, views: dict[Any, Any], position: int, update: Update, make: type | None) -> Handler:
        """The handler of a kind of record whose subject's key stands at ``position`` (ACTOR: the receiver of the event).

        A subject not seen before is made by ``make``; without it the record is passed over.
        """
        before, after = self.around(number)
        if not before and not after:
            return _plain(views, position, update, make)
        if not after and len(before) == 1:
            return _before(views, position, update, make, before[0])
        return _judged(views, position, update, make, tuple(before), tuple(after))

    def unjudged(self, views: dict[Any, Any], position: int, update: Update, make: type | None) -> Handler:
        """As :meth:`compose`, for a second subject of a record on which the checks are called with the first."""
        return _plain(views, position, update, make)

    def unseen(self, role: int, number: int) -> list[tuple[int, int, Handler]]:
        """Handlers for the checks that read a kind of record and no view: they are called with None in its place."""
        return [(role, number, _without_view(hook)) for hook in self.around(number)[0]]


def _hooks(checks: Sequence[Check], tables: Sequence[Mapping[int, str]]) -> dict[int, list[Hook]]:
    """Record number to the methods that the checks' tables name for it, in the order of the checks."""
    found: dict[int, list[Hook]] = {}
    for check, table in zip(checks, tables, strict=True):
        for number, method in table.items():
            found.setdefault(number, []).append(getattr(check, method))
    return found


def _plain(views: dict[Any, Any], position: int, update: Update, make: type | None) -> Handler:
    def handler(record: Any, head: Head, index: int) -> None:
        key = record[position] if position else head[3]
        view = views.get(key)
        if view is None:
            if make is None:
                return
            view = views[key] = make()
        update(record, view, head)

    return handler


def _before(views: dict[Any, Any], position: int, update: Update, make: type | None, hook: Hook) -> Handler:
    def handler(record: Any, head: Head, index: int) -> None:
        key = record[position] if position else head[3]
        view = views.get(key)
        if view is None:
            if make is None:
                return
            view = views[key] = make()
        hook(record, view, head, index)
        update(record, view, head)

    return handler


def _judged(
    views: dict[Any, Any], position: int, update: Update, make: type | None, before: tuple[Hook, ...], after: tuple[Hook, ...]
) -> Handler:
    def handler(record: Any, head: Head, index: int) -> None:
        key = record[position] if position else head[3]
        view = views.get(key)
        if view is None:
            if make is None:
                return
            view = views[key] = make()
        for hook in before:
            hook(record, view, head, index)
        update(record, view, head)
        for hook in after:
            hook(record, view, head, index)

    return handler


def _without_view(hook: Hook) -> Handler:
    def handler(record: Any, head: Head, index: int) -> None:
        hook(record, None, head, index)

    return handler


def nothing(record: Any, view: Any, head: Head) -> None:
    """For records that change no view but are judged."""
