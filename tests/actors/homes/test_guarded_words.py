"""What I-LOCKSET counts: by the names of operations, since an access whose guard was held leaves no record."""

from __future__ import annotations

import pytest

from actors.home import Home
from actors.homes.boot import HOME_CLASSES
from protocol.guards import NO_LOCK, RESIDENT_GUARDS, guard_of, is_guarded


def operations(kind: str, home: type[Home]) -> dict[str, bool]:
    """Word of each operation to whether its home asks for a lock."""
    found = {}
    for op, serving in home.ops.items():
        guard = guard_of(kind, serving.field) if serving.field in RESIDENT_GUARDS.get(kind, {}) else None
        needed = NO_LOCK if guard is None and not serving.field else guard and (guard.read if serving.reads else guard.write)
        found[op.word] = needed != NO_LOCK
    return found


@pytest.mark.parametrize("kind", HOME_CLASSES)
def test_an_operation_counts_as_guarded_if_its_home_asks_for_a_lock(kind):
    for word, asked in operations(kind, HOME_CLASSES[kind]).items():
        assert is_guarded(word) == asked, f"{word}: see UNGUARDED_OPERATIONS of protocol.guards"


def test_what_is_no_operation_on_a_guarded_field_does_not_count():
    assert not any(is_guarded(word) for word in ("lock-grant", "unlock", "sleep", "timer", "reply", "pager.read", "order.await", "word"))
    assert is_guarded("page.activate")
    assert is_guarded("ipi-arm")
