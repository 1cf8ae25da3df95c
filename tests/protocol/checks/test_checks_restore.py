"""I-LOCKRESTORE over streams of records: what contracts want at an ``enter``, at a ``leave``, and where a routine has found it itself."""

from __future__ import annotations

import pytest

from protocol import records as r
from protocol.checks import Suite
from protocol.checks.reshard import join_states, split_state
from protocol.contracts import Contract
from tests.protocol.checks.stream import MACHINE, OBJECT, OTHER, Stream

CONTRACTS = {
    "very": Contract(("object", "pq"), subject=1),
    "giant": Contract(("pmap", "pq"), either=("giant",)),
    "free": Contract(without=("object", "pq")),
}


def said(stream: Stream) -> list[str]:
    suite = Suite(("I-LOCKRESTORE",), MACHINE, {}, contracts=CONTRACTS)
    return [each.message for each in suite.step(stream.entries)]


def begins(routine: str, arguments: tuple[object, ...], *locks: str) -> list[str]:
    return said(Stream().acquire(0, *locks).on(0, (r.ENTER, 0, routine, arguments, ())))


@pytest.mark.parametrize(
    ("routine", "arguments", "locks", "text"),
    [
        ("very", (7, OBJECT), (OBJECT, "pq"), ""),
        ("very", (7, OBJECT), (OTHER, "pq"), f"without the lock of {OBJECT}"),
        ("very", (7, OBJECT), (OTHER,), f"without the lock of {OBJECT}, pq"),
        ("very", (7, ""), (OTHER, "pq"), ""),
        ("very", (7, ""), ("pq",), "without the lock of object"),
        ("giant", (), ("giant",), ""),
        ("giant", (), ("pq", "pmap.1"), ""),
        ("giant", (), ("pq",), "without the lock of pmap"),
        ("free", (), ("map.1",), ""),
        ("free", (), (OBJECT,), "with the lock of object"),
    ],
)
def test_what_a_contract_wants_of_whoever_calls(routine, arguments, locks, text):
    assert begins(routine, arguments, *locks) == ([f"thread 0: {routine} entered {text}"] if text else [])


def broken(s: Stream, *locks: str) -> Stream:
    return s.on(0, (r.CONTRACT, 0, "inner", "leaves with pq, but it was to leave with no lock", locks))


INNER = "thread 0: inner leaves with pq, but it was to leave with no lock"
OUTER = "thread 0: outer (None) leaves with pq, but it was to leave with no lock"


def test_what_a_routine_has_found_itself_is_said_and_not_again_by_those_around():
    def kept() -> Stream:
        return Stream().enter(0, "outer").acquire(0, "pq")

    assert said(kept().leave(0, "outer")) == [OUTER]
    assert said(broken(kept(), "pq").leave(0, "outer")) == [INNER]
    assert said(broken(kept()).leave(0, "outer")) == [INNER, OUTER]


def test_another_lock_that_is_kept_is_another_breach():
    s = broken(Stream().enter(0, "outer").acquire(0, "pq"), "pq").acquire(0, OBJECT).leave(0, "outer")
    assert said(s) == [INNER, f"thread 0: outer (None) leaves with pq, {OBJECT}, but it was to leave with no lock"]


def test_when_the_thread_has_left_the_kernel_it_is_judged_anew():
    s = broken(Stream().enter(0, "outer").acquire(0, "pq"), "pq").leave(0, "outer")
    s.enter(0, "outer").release(0, "pq").leave(0, "outer")
    assert said(s) == [INNER, "thread 0: outer (None) leaves with no lock, but it was to leave with pq"]


def test_what_has_been_said_is_known_after_a_restore():
    s = broken(Stream().enter(0, "outer").acquire(0, "pq"), "pq")
    first = Suite(("I-LOCKRESTORE",), MACHINE, {}, contracts=CONTRACTS)
    assert [each.message for each in first.step(s.entries)] == [INNER]
    done = len(s.entries)
    s.leave(0, "outer")
    (state,) = split_state(join_states([first.state()]), 1)
    again = Suite(("I-LOCKRESTORE",), MACHINE, {}, contracts=CONTRACTS)
    again.restore(state)
    assert again.step(s.entries[done:]) == []
    assert again.evaluated()["I-LOCKRESTORE"] == (2, 1)
