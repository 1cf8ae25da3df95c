"""Whose doing a record is: the thread that sent, also where another has the CPU when the message arrives."""

from __future__ import annotations

from cluster.inspect.threads import EVENTS_MAX, Threads
from protocol import records as kinds

FRAME, NOBODY = 0x1F, -1


def head(receiver, sender, sequence, cause=("boot", 0)):
    return (10, 0, 0, receiver, sender, sequence, *cause)


def cpu_event(threads, sequence, *records):
    """An event of cpu.0, with these records in it."""
    here = head("cpu.0", "timer", sequence)
    threads.event(here)
    for record in records:
        threads.before(record)
        threads.after("cpu.0", record)


def doer(threads, cause):
    return threads.thread_of(head("pq", "cpu.0", 99, ("timer", cause)), (kinds.PAGE_FLAGS, FRAME, 0, 1))


def test_a_write_that_arrives_after_a_switch_is_the_senders():
    threads = Threads()
    cpu_event(threads, 1, (kinds.SWITCH, NOBODY, 3, ""))
    cpu_event(threads, 2, (kinds.LOCK_RELEASE, 3, "pq", 1, 20, 0), (kinds.SWITCH, 3, 4, ""))
    cpu_event(threads, 3)
    assert doer(threads, 2) == (3, False)
    assert doer(threads, 3) == (4, False)


def test_who_is_woken_does_not_run_yet():
    threads = Threads()
    cpu_event(threads, 1, (kinds.SWITCH, NOBODY, 3, ""))
    cpu_event(threads, 2)
    cpu_event(threads, 3, (kinds.WAKE, 4, "page.31", "wakeup"))
    cpu_event(threads, 4)
    assert doer(threads, 4) == (3, False)


def test_of_what_was_sent_long_ago_the_running_thread_is_named():
    threads = Threads()
    cpu_event(threads, 1, (kinds.SWITCH, NOBODY, 3, ""))
    for sequence in range(2, EVENTS_MAX + 4):
        cpu_event(threads, sequence)
    assert doer(threads, 1) == (3, False)
    assert sum(map(len, threads._ran.values())) == EVENTS_MAX


def test_what_no_cpu_sent_is_nobodys():
    threads = Threads()
    assert threads.thread_of(head("pq", "fq", 1), (kinds.PAGE_FLAGS, FRAME, 0, 1)) == (None, False)
