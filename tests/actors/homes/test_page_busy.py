"""Busy pages and those who want them."""

from __future__ import annotations

import pytest

from protocol.messages.locks import Sleep, Woken
from protocol.messages.pages import (
    CLAIMED,
    NEEDS_COW,
    WAS_BUSY,
    WAS_CACHED,
    Activate,
    Claim,
    CowCount,
    Finish,
    Flash,
    SetBusy,
    Unbusy,
    WantBusy,
    page_channel,
)
from protocol.messages.processor import Assertion
from protocol.pages import (
    ACTIVE,
    CACHE,
    INACTIVE,
    NONE,
    REFERENCED,
    WANTED,
)
from protocol.records import (
    PAGE_ACT,
    PAGE_BUSY,
    PAGE_FLAGS,
    PAGE_QUEUE,
    PAGE_UNBUSY,
    WAKEUP,
)
from tests.actors.homes.page_bench import OBJ, bench, cached


def test_claim_takes_the_page_off_its_queue_and_busies_it():
    b = bench(9)
    b.ask(Activate(9))
    b.take_records()
    assert b.ask(Claim(9)) == (CLAIMED, 0)
    assert b.take_records() == [(PAGE_QUEUE, 9, ACTIVE, NONE), (PAGE_BUSY, 9, 1)]
    assert b.ask(Claim(9)) == (WAS_BUSY, 0)
    assert b.take_records() == []


def test_claim_refuses_soft_busy_and_cow_pages():
    b = bench(9)
    assert b.ask(Claim(9, soft=1)) == (WAS_BUSY, 0)
    b.ask(CowCount(9, 2))
    b.take_records()
    assert b.ask(Claim(9, write_first=True)) == (NEEDS_COW, 2)
    assert b.take_records() == []
    assert b.ask(Claim(9)) == (CLAIMED, 2), "a read of a page being sent goes through"


def test_claim_of_a_cached_page_asks_about_memory_first():
    b = cached(9)
    assert b.ask(Claim(9)) == (WAS_CACHED, 0)
    assert b.take_records() == []
    assert b.ask(Claim(9, severe=1)) == (WAS_CACHED, 0)
    assert b.take_records() == [(PAGE_QUEUE, 9, CACHE, ACTIVE), (PAGE_ACT, 9, 0, 5)]
    b = cached(9)
    assert b.ask(Claim(9, severe=0)) == (CLAIMED, 0)
    assert b.take_records() == [(PAGE_QUEUE, 9, CACHE, NONE), (PAGE_BUSY, 9, 1)]


def test_busy_is_set_once_and_cleared_once_or_the_kernel_asserts():
    b = bench(9)
    assert b.ask(SetBusy(9)) is None
    assert b.ask(SetBusy(9)) == "vm_page_busy: page already busy!!!"
    assert b.ask(Unbusy(9)) is None
    assert b.ask(Unbusy(9)) == "vm_page_wakeup: page not busy!!!"
    assert b.take_records() == [(PAGE_BUSY, 9, 1), (PAGE_UNBUSY, 9, 1)]


def test_a_posted_wakeup_of_a_page_that_is_not_busy_is_the_askers_panic():
    b = bench(9)
    b.give(Unbusy(9, thread=1, held=(("pq", b.home.fence), (OBJ, 1)), reply=False))
    assert b.take_sent() == [("cpu.0", Assertion(1, "vm_page_wakeup: page not busy!!!"), 5)]


def test_who_wants_a_busy_page_is_woken_when_it_is_not():
    b = bench(9)
    assert b.ask(WantBusy(9)) is False
    b.ask(SetBusy(9))
    b.take_records()
    assert b.ask(WantBusy(9)) is True
    assert b.take_records() == [(PAGE_FLAGS, 9, 0, WANTED | REFERENCED)]
    b.give(Sleep(1, page_channel(9), b.home.fence))
    b.lock(2)
    b.ask(Unbusy(9), thread=2)
    assert b.take_sent() == [("cpu.0", Woken(1, "page.9"), 5)]
    assert b.take_records() == [
        (PAGE_UNBUSY, 9, 2),
        (PAGE_FLAGS, 9, WANTED | REFERENCED, REFERENCED),
        (WAKEUP, "page.9", (1,)),
    ]


def test_soft_busy_makes_wait_only_those_who_mind():
    b = bench(9)
    assert b.ask(WantBusy(9, soft=1, also_soft=False)) is False
    assert b.ask(WantBusy(9, soft=1)) is True
    assert b.ask(WantBusy(99)) is False
    b.take_records()
    b.ask(Flash(9))
    assert b.take_records() == [(PAGE_FLAGS, 9, WANTED | REFERENCED, REFERENCED)]
    b.ask(Flash(9))
    b.ask(Flash(99))
    assert b.take_records() == []


@pytest.mark.parametrize(("activate", "queue"), [(True, ACTIVE), (False, INACTIVE)])
def test_finish_queues_and_unbusies_and_only_a_page_that_was_faulted_in_was_referenced(activate, queue):
    b = bench(9, busy=True)
    b.ask(Finish(9, activate=activate))
    kinds = [(r[0], *r[2:]) for r in b.take_records()]
    assert ((PAGE_FLAGS, 0, REFERENCED) in kinds) == activate
    assert (PAGE_QUEUE, NONE, queue) in kinds
    assert kinds[-1] == (PAGE_UNBUSY, 1)
