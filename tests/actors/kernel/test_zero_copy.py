"""Zero-copy sends: what is sent keeps its content, the object gets a copy, the last completion frees what nobody owns (vm-facts 3.8)."""

from __future__ import annotations

import pytest

from protocol.faults import Fault
from protocol.pages import PTE_RW
from protocol.records import EXPECTED, PAGE_COW, STORE
from protocol.workload import Access, Exit, File, Fork, Hold, Kernel, Madvise, Mmap, Munmap, Think
from tests.actors.machine_audit import audit, ends_well, free_lists, objects, pmaps, queues, settle
from tests.actors.machine_kit import all_done, judged, outcomes, run, workload

MEMORY_GONE = Fault("gone", "memory", frames=1024, at_ns=100_000, duration_ns=1_000_000)
"""Nothing is free from 0.1 to 1.1 ms."""


def send(vpn=1000, for_ns=0, **of):
    return Kernel(routine="zero_copy_send", arguments=(vpn, for_ns), **of)


def sent(frame, **of):
    return Kernel(routine="zero_copy_done", arguments=(frame,), **of)


def first_frame() -> int:
    """The frame of page 1000: the machine is deterministic, so it is the same in every run that begins alike."""
    return pmaps(run(workload([Mmap(1000, 1004), Access(1000, write=True)])))["pmap.0"].ptes[1000][0]


def test_a_send_takes_write_access_and_wires_the_page():
    done = ends_well(run(workload([Mmap(1000, 1004), Access(1000, write=True), send(expect="sent"), Access(1000)])))
    frame, bits = pmaps(done)["pmap.0"].ptes[1000]
    assert not bits & PTE_RW
    assert (queues(done).pages[frame].cow, queues(done).pages[frame].wire) == (1, 1)
    assert [record[3:] for record in done.records(EXPECTED)] == [("sent", "sent")]
    assert outcomes(done) == ["zero-fill"], "reading what is being sent needs no fault"


def test_a_store_during_the_send_goes_to_a_copy_and_completion_frees_the_page():
    frame = first_frame()
    steps = [
        Mmap(1000, 1004),
        Access(1000, write=True),
        send(),
        Access(1000, write=True, expect="soft"),
        sent(frame),
        Access(1000, write=True),
    ]
    done = ends_well(run(workload(steps)))
    assert frame not in queues(done).pages
    (copy, _, _) = objects(done)["object.1.cpu.0"].pages[0]
    assert {record[4] for record in done.records(STORE)} == {frame, copy}
    assert [record[3] for record in done.records(STORE)] == [1000] * 3
    assert [record[2:] for record in done.records(PAGE_COW)] == [(0, 1), (1, 0)]


def test_a_page_that_nobody_stored_to_stays_where_it_is():
    frame = first_frame()
    done = ends_well(run(workload([Mmap(1000, 1004), Access(1000, write=True), send(), sent(frame), Access(1000, write=True)])))
    assert objects(done)["object.1.cpu.0"].pages[0][0] == frame
    assert queues(done).pages[frame].wire == 0


def test_two_sends_of_a_page_end_with_the_second_completion():
    frame = first_frame()
    steps = [Mmap(1000, 1004), Access(1000, write=True), send(), send(), Access(1000, write=True), sent(frame)]
    half = ends_well(run(workload(steps)))
    assert (queues(half).pages[frame].object, queues(half).pages[frame].wire) == ("", 1)
    assert frame not in queues(ends_well(run(workload([*steps, sent(frame)])))).pages


def test_what_is_not_there_is_not_sent():
    done = run(workload([Mmap(1000, 1004), send(1001, expect="not-resident"), send(2000, expect="segv"), Exit()]))
    assert [record[4] for record in ends_well(done).records(EXPECTED)] == ["not-resident", "segv"]


@pytest.mark.parametrize(
    "away", [Exit(), Munmap(1000, 1001), Munmap(1000, 1004), Madvise(1000, 1004, "drop")], ids=["exit", "part", "all", "drop"]
)
def test_a_page_whose_memory_goes_during_the_send_belongs_to_the_send(away):
    frame = first_frame()
    steps = [Mmap(1000, 1004), Access(1000, write=True), Access(1002, write=True), send(), away]
    during = ends_well(run(workload(steps)))
    assert (queues(during).pages[frame].object, queues(during).pages[frame].wire) == ("", 1)
    after = ends_well(run(workload(steps, [Think(for_ns=1, cpu=1, at_ns=500_000), sent(frame)])))
    assert frame not in queues(after).pages


# Waiting for memory inside the cow fault ----------------------------------------------------------------------------------------


def waiting(*meanwhile, form, hold=True):
    """A store to a page being sent, when nothing is free; another thread does something while the store waits."""
    first = [Mmap(1000, 1004), Access(1000, write=True), send(), Fork(1, "thread"), Access(1000, write=True, at_ns=150_000)]
    revert = ("R01",) if form == "trusts-page" else ()
    work = workload(first, [Think(for_ns=1, cpu=1, at_ns=300_000), *meanwhile], parents=(-1, 0))
    return run(work, revert=revert, faults=(MEMORY_GONE,))


@pytest.mark.parametrize("form", ["trusts-page", "looks-again"])
def test_the_copy_is_made_when_memory_comes_back(form):
    done = ends_well(waiting(form=form))
    assert objects(done)["object.1.cpu.0"].pages[0][0] != first_frame()


@pytest.mark.parametrize("form", ["trusts-page", "looks-again"])
def test_a_completion_that_comes_first_leaves_the_page_and_frees_the_copy(form):
    frame = first_frame()
    done = ends_well(waiting(sent(frame), form=form))
    assert objects(done)["object.1.cpu.0"].pages[0][0] == frame


def test_two_stores_that_waited_make_one_copy_in_the_form_that_looks_again():
    """The map is shared by both faults, so the second finds that the first has replaced the page it was called with."""
    frame = first_frame()
    done = ends_well(waiting(Access(1000, write=True), form="looks-again"))
    assert objects(done)["object.1.cpu.0"].pages[0][0] != frame
    assert [page.object for page in queues(done).pages.values() if page.cow] == [""], "what is sent has no owner, and no other page is lost"


def test_two_stores_that_waited_lose_a_page_in_the_form_that_trusts_it():
    done = waiting(Access(1000, write=True), form="trusts-page")
    settle(done)
    assert [line for line in audit(done) if "says it is in object.1.cpu.0" in line]


def completed_between(form):
    """Two stores wait; memory comes back, the first makes its copy, the send completes, and then the second goes on."""
    first = [
        Mmap(1000, 1004),
        Access(1000, write=True),
        send(),
        Fork(1, "thread"),
        Fork(2, "thread"),
        Access(1000, write=True, at_ns=150_000),
    ]
    second = [Think(for_ns=1, cpu=1, at_ns=300_000), Access(1000, write=True)]
    third = [Think(for_ns=1, cpu=2, at_ns=1_156_000), sent(first_frame())]
    revert = ("R01",) if form == "trusts-page" else ()
    return run(workload(first, second, third, parents=(-1, 0, 0)), revert=revert, faults=(MEMORY_GONE,), cpus=3)


def test_a_page_that_was_freed_meanwhile_is_given_up_or_trusted_as_r01s_form_says():
    assert first_frame() not in queues(ends_well(completed_between("looks-again"))).pages
    verdict = judged(completed_between("trusts-page"))
    assert "I-FREE-CLEAN" in verdict.names, "it puts a free frame back into the object"


@pytest.mark.parametrize(("form", "spoke"), [("trusts-page", {"I-CACHE"}), ("looks-again", set())])
def test_a_page_that_was_cached_meanwhile_is_given_up_or_trusted_as_r01s_form_says(form, spoke):
    """A clean page of a file, sent in the meantime: the next try would take it out of its object on the cache queue."""
    writer = [Mmap(1000, 1004, file=0, shared=True), Access(1000), send(for_ns=300_000), Access(1000, write=True, at_ns=150_000)]
    cacher = [Kernel(routine="page_try_to_cache", arguments=(0, 0), cpu=1, at_ns=1_000_000, expect="ok")]
    work = workload(writer, cacher, files=(File("data", 4),))
    done = run(work, revert=("R01",) if form == "trusts-page" else (), faults=(MEMORY_GONE,))
    assert all_done(done)
    assert [record[3:] for record in done.records(EXPECTED)] == [("ok", "ok")]
    assert judged(done).names == spoke
    assert [record[4] for record in done.records(STORE)] == [objects(done)["object.1"].pages[0][0]], "the store goes to the page itself"


# R05 --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("form", "expected"), [("writable", "hit"), ("read-only", "soft")])
def test_a_read_fault_during_the_send_maps_the_page_as_r05s_form_says(form, expected):
    """The child shares the page: its read comes first, and its store then faults only if the read did not map the page writable."""
    first = [Mmap(1000, 1004, shared=True), Fork(1, "fork"), Access(1000, write=True), send(), Think(for_ns=200_000)]
    child = [Access(1000, cpu=1, delay_ns=60_000), Access(1000, write=True)]
    done = run(workload(first, child, parents=(-1, 0)), revert=("R05",) if form == "writable" else ())
    assert all_done(done)
    stores = [record[4] for record in done.records(STORE)]
    assert (stores[1] == stores[0]) == (form == "writable"), "a store to the page while it is being sent"
    assert outcomes(done) == ["zero-fill", "soft", *([] if expected == "hit" else ["soft"])]
    if form == "read-only":
        ends_well(done)
        assert free_lists(done).free + len(queues(done).pages) == free_lists(done).frames


# R09 --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["busy-or-not", "waits"])
def test_a_send_of_a_page_that_a_fault_has_busy_waits_as_r09s_form_says(form):
    """The child has found the page and not mapped it yet when the send begins."""
    first = [Mmap(1000, 1004, shared=True), Fork(1, "fork"), Access(1000, write=True), send(delay_ns=80_000, expect="sent")]
    child = [Access(1000, cpu=1, delay_ns=60_000, holds=(Hold("vm_fault.entering", for_ns=60_000),))]
    done = run(workload(first, child, parents=(-1, 0)), revert=("R09",) if form == "busy-or-not" else ())
    assert all_done(done)
    frame, bits = pmaps(done)["pmap.1.cpu.0"].ptes[1000]
    assert bool(bits & PTE_RW) == (form == "busy-or-not"), "the child can store into what is being sent"
    assert queues(done).pages[frame].cow == 1
    assert [record[3:] for record in done.records(EXPECTED)] == [("sent", "sent")]


@pytest.mark.parametrize(("revert", "outcome"), [((), "segv"), (("R09",), "sent")], ids=["waits", "busy-or-not"])
def test_a_send_that_waited_looks_again(revert, outcome):
    """While it waits for the busy page, the page's mapping goes: there is nothing to send any more."""
    first = [
        Mmap(1000, 1004, shared=True),
        Fork(1, "fork"),
        Fork(2, "thread"),
        Access(1000, write=True),
        send(delay_ns=80_000, expect=outcome),
    ]
    child = [Access(1000, cpu=1, delay_ns=60_000, holds=(Hold("vm_fault.entering", for_ns=60_000),))]
    thread = [Munmap(1000, 1004, cpu=2, delay_ns=100_000)]
    done = run(workload(first, child, thread, parents=(-1, 0, 0)), revert=revert)
    assert all_done(done)
    assert [record[3:] for record in done.records(EXPECTED)] == [(outcome, outcome)]
