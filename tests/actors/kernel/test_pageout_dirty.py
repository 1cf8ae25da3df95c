"""The page daemon's question whether a page is clean, in each form: what is looked at, what is removed, and the race (C21)."""

from __future__ import annotations

import pytest

from protocol.changes import CHANGES
from protocol.pages import CACHE, INACTIVE, VALID_ALL
from protocol.records import PAGE_DIRTY, PAGE_QUEUE, PANIC, PV_DEL
from protocol.workload import Access, File, Fork, Hold, Kernel, Mmap, Think
from tests.actors.machine_audit import ends_well, queues
from tests.actors.machine_kit import judged, run, step_words, workload

DATA = File("data", 64)
FORMS = CHANGES["C21"].forms
NEW = ("1.251", "simplified")
DROP = ("task.step", "task.end", "compute", "switch", "page.flags", "page.act", "peek", "enter", "leave")
FORGET = Kernel(routine="page_dontneed", arguments=(0, 3))
SCAN = Kernel(routine="pageout_inactive_scan", arguments=(1,))


def scanned(form, *steps, shared=True, scan=SCAN):
    """A page is mapped, whatever ``steps`` do to it; it is then forgotten and scanned."""
    prot = 3 if shared else 1
    first = [Mmap(1000, 1010, file=0, shared=shared, prot=prot), Access(1003), *steps, FORGET, scan, Think(for_ns=100)]
    return run(workload(first, files=(DATA,)), forms={"C21": form})


def where(done):
    (page,) = (page for page in queues(done).pages.values() if page.object == "object.1")
    return page.queue, page.dirty, len(page.pvs)


@pytest.mark.parametrize("form", FORMS)
def test_a_clean_page_is_cached_without_its_mappings(form):
    for shared in (True, False):
        done = ends_well(scanned(form, shared=shared))
        assert where(done) == (CACHE, 0, 0)


@pytest.mark.parametrize("form", FORMS)
def test_a_page_modified_through_a_mapping_is_dirty_and_keeps_it(form):
    done = ends_well(scanned(form, Access(1003, write=True)))
    assert where(done) == (INACTIVE, VALID_ALL, 1)
    assert [record[3] for record in done.records(PAGE_DIRTY)] == [VALID_ALL]
    assert not done.records(PV_DEL)


def test_the_foil_takes_a_modified_page_for_clean():
    done = scanned("no-recheck", Access(1003, write=True))
    assert [record[2] for record in done.records(PANIC)] == ["vm_page_cache: caching a dirty page, pindex: 3"]


def test_the_two_later_forms_take_the_same_steps_in_the_same_time():
    found = [step_words(scanned(form), 3, drop=DROP) for form in NEW]
    assert found[0] == found[1]
    ends = [scanned(form).records(PAGE_QUEUE) for form in NEW]
    assert ends[0] == ends[1]
    times = [[entry[0] for entry in scanned(form, Access(1003, write=True)).entries] for form in NEW]
    assert times[0] == times[1]


def racing(form):
    """Another CPU stores to the page just after it was found clean."""
    held = Kernel(routine="pageout_inactive_scan", arguments=(1,), holds=(Hold("vm_pageout_scan.tested", task=1, index=1),))
    first = [
        Mmap(1000, 1010, file=0, shared=True), Access(1003), Fork(1, "thread"), FORGET, held, Think(for_ns=100),
    ]  # fmt: skip
    second = [Think(for_ns=20_000, cpu=1), Access(1003, write=True, announced=True)]
    return run(workload(first, second, parents=(-1, 0), files=(DATA,)), forms={"C21": form})


def test_c21_oldest_panics_when_a_store_comes_between():
    done = racing("5.2")
    assert [record[2] for record in done.records(PANIC)] == ["vm_page_cache: caching a dirty page, pindex: 3"]


@pytest.mark.parametrize("form", NEW)
def test_the_later_forms_let_the_store_fault_which_finds_the_page_on_its_way(form):
    """The mapping is gone when the answer is given: the store faults, and waits for the object that the scan holds."""
    held = Kernel(routine="pageout_inactive_scan", arguments=(1,), holds=(Hold("vm_pageout_scan.tested", for_ns=60_000),))
    first = [Mmap(1000, 1010, file=0, shared=True), Access(1003), Fork(1, "thread"), FORGET, held, Think(for_ns=100)]
    second = [Think(for_ns=20_000, cpu=1), Access(1003, write=True)]
    done = ends_well(run(workload(first, second, parents=(-1, 0), files=(DATA,)), forms={"C21": form}))
    assert (INACTIVE, CACHE) in [(record[2], record[3]) for record in done.records(PAGE_QUEUE)]
    assert where(done)[1:] == (VALID_ALL, 1)
    assert not judged(done).violations
