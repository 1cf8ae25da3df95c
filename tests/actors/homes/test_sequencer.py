"""The sequencer: an operation starts when all that it follows are complete."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.homes.sequencer import Sequencer
from protocol.messages import Reply
from protocol.messages.processor import Await, Complete
from tests.actors.fake_port import Bench, restored


def bench() -> Bench:
    return Bench(Sequencer(name="order", service_ns=5))


def complete(b: Bench, task: int, index: int) -> None:
    b.give(Complete(task, index, reply=False, thread=0), "cpu.9")


def test_what_is_complete_is_not_waited_for():
    b = bench()
    complete(b, 3, 7)
    complete(b, 3, 5)
    b.give(Await(((3, 7), (3, 2)), thread=1), "cpu.0")
    assert b.take_sent() == [("cpu.0", Reply(1, None), 5)]


def test_an_await_is_answered_after_the_last_of_its_operations():
    b = bench()
    b.give(Await(((1, 4), (2, 2)), thread=5), "cpu.0")
    complete(b, 2, 2)
    complete(b, 1, 3)
    assert b.take_sent() == []
    complete(b, 1, 4)
    assert b.take_sent() == [("cpu.0", Reply(5, None), 5)]
    assert b.home.followers == {}
    assert b.take_records() == []


def test_those_who_wait_for_one_operation_go_in_the_order_of_asking():
    b = bench()
    for thread in (5, 3, 4):
        b.give(Await(((1, 4),), thread=thread), f"cpu.{thread}")
    complete(b, 1, 9)
    assert [(to, m.thread) for to, m, _ in b.take_sent()] == [("cpu.5", 5), ("cpu.3", 3), ("cpu.4", 4)]


PAIR = st.tuples(st.integers(0, 3), st.integers(0, 6))


@given(st.lists(st.one_of(PAIR, st.lists(PAIR, max_size=4).map(tuple)), max_size=50))
def test_exactly_those_go_whose_operations_are_complete(steps):
    b = bench()
    done: dict[int, int] = {}
    waiting: dict[int, tuple[tuple[int, int], ...]] = {}
    for number, step in enumerate(steps):
        if step and isinstance(step[0], int):
            task, index = step
            done[task] = max(index, done.get(task, -1))
            complete(b, task, index)
        else:
            waiting[number] = step
            b.give(Await(step, thread=number), "cpu.0")
        gone = {m.thread for _, m, _ in b.take_sent()}
        ready = {n for n, after in waiting.items() if all(done.get(t, -1) >= i for t, i in after)}
        assert gone == ready
        for n in gone:
            del waiting[n]
        assert restored(b.home) == b.home
