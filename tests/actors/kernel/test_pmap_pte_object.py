"""Page-table pages with an object and without one (C14), removals that ask for the object's lock and that do not (C15)."""

from __future__ import annotations

import pytest

from protocol.pages import ZERO
from protocol.records import (
    ENTER,
    LEAVE,
    OBJECT_INSERT,
    OBJECT_NEW,
    OBJECT_REMOVE,
    OBJECT_TREE,
    PAGE_BIND,
    PAGE_BUSY,
    PAGE_FLAGS,
    PT_INSTALL,
    PT_REFS,
    PT_REMOVE,
    SHOOT_BEGIN,
    UNGUARDED,
)
from protocol.workload import Access, Exit, File, Fork, Inject, Kernel, Mmap, Munmap, Think
from tests.actors.machine_kit import all_done, judged, run, words, workload

WORK = workload([Mmap(0x100, 0x102), Access(vpn=0x100, write=True), Munmap(0x100, 0x102), Exit()])


def allocpte(done):
    """The words of the first _pmap_allocpte."""
    pairs, inside = [], False
    for head, _, records in done.entries:
        for record in records:
            named = record[0] in (ENTER, LEAVE) and record[2] == "_pmap_allocpte"
            inside = inside or named
            if inside:
                pairs.append((head[3], record))
            if named and record[0] == LEAVE:
                return words(pairs, ("compute", "alloc.colour"))
    raise AssertionError("no page-table page was allocated")


def on_alpha(*revert: str, work=WORK, **of):
    return run(work, pmap="alpha", revert=revert, **of)


LEVELS = [(3, 0), (2, 0), (1, 0)]
INDEXES = [2 << 26, 1 << 26, 0]


def test_a_page_table_page_without_an_object():
    done = on_alpha()
    assert allocpte(done) == ["enter", "+fq", "free.take", "page.bind", "-fq", "frame.zero", "pt.install", "leave"]
    assert all_done(done) and not judged(done).violations


def test_a_page_table_page_of_an_object():
    """The object is locked behind the page queues and the pmap; the page queues, held already, are acquired again for the flags."""
    done = on_alpha("C14")
    grab = ["enter", "+fq", "free.take", "page.bind", "-fq", "object.insert", "frame.zero", "leave"]
    assert allocpte(done) == ["enter", "+obj", *grab, "+pq", "-pq", "object.valid", "pt.install", "page.unbusy", "-obj", "leave"]
    assert all_done(done)
    assert judged(done).names == {"I-ORDER", "I-LOCKSET", "I-REMOVE-OBJ"}


@pytest.mark.parametrize("revert", [(), ("C14",)])
def test_three_levels_come_and_go(revert):
    done = on_alpha(*revert)
    assert [record[1:3] for record in done.records(PT_INSTALL)] == LEVELS
    assert [record[1:3] for record in done.records(PT_REMOVE)] == LEVELS[::-1]
    assert [record[5] for record in done.records(PT_REFS)][-1] == 0
    owners = {record[2] for record in done.records(PAGE_BIND) if record[4]}
    assert owners == ({"object.pte0"} if revert else {""})


def test_the_object_goes_with_the_pmap():
    done = on_alpha("C14")
    assert not [violation for violation in judged(done).violations if violation.check == "I-CONSERVE"]
    assert len(done.records(OBJECT_REMOVE)) == len(done.records(OBJECT_INSERT)) == 4


def test_what_is_left_is_freed_by_a_scan_of_the_object():
    """The top table has been kept, and goes with the pmap: the scan unlinks and frees it."""
    done = on_alpha("C14")
    assert [record[1] for record in done.records(OBJECT_REMOVE)][-1] == INDEXES[0]


def test_every_cpu_takes_part_in_an_invalidation():
    done = on_alpha(cpus=4)
    assert done.records(SHOOT_BEGIN) and all(record[5] == (1, 2, 3) for record in done.records(SHOOT_BEGIN))


FREED = workload(
    [Kernel(routine="page_alloc", arguments=(0, 3, False)), Kernel(routine="page_free_unlocked", arguments=(0, 3))],
    files=(File("data", 8),),
)


def test_a_removal_without_the_lock_is_asserted_or_performed():
    stopped = on_alpha(work=FREED)
    assert stopped.actors["cpu.0"].panic_text == "mutex vm object not owned at vm_page_remove (object.1)"
    assert not stopped.records(OBJECT_REMOVE)
    done = on_alpha("C15", work=FREED)
    assert all_done(done) and len(done.records(OBJECT_REMOVE)) == 1
    assert sorted(record[1] for record in done.records(UNGUARDED)) == ["memq", "memq", "memq", "object"]
    assert done.records(OBJECT_TREE)[-1] == (OBJECT_TREE, 0, 0)


@pytest.mark.parametrize("pmap", ["i386", "amd64"])
def test_other_machines_have_no_exemption(pmap):
    assert run(FREED, "freebsd-2004", pmap=pmap).actors["cpu.0"].panic_text == "mutex vm object not owned at vm_page_remove (object.1)"


@pytest.mark.parametrize("forms", [{}, {"C14": "pte-object", "C15": "exempt"}], ids=["without", "with"])
@pytest.mark.parametrize(("zeroing", "cleared"), [("caller-zeroes", True), ("grab-zeroes", False)])
def test_pg_zero_of_a_page_table_page_is_cleared_where_callers_zero(forms, zeroing, cleared):
    work = workload(WORK.tasks[0].steps, inject=(Inject("zeroed-frames", {"frames": 60}),))
    done = on_alpha(work=work, forms={**forms, "C18": zeroing})
    tables = {record[3] for record in done.records(PT_INSTALL)}
    flags = [record for record in done.records(PAGE_FLAGS) if record[1] in tables and record[2] & ZERO and not record[3] & ZERO]
    assert all_done(done) and bool(flags) is cleared
    assert ("I-ZERO-IMMUT" in judged(done).names) is cleared


def test_the_object_of_a_forked_address_space_is_its_pmaps():
    parent = [Mmap(0x100, 0x102), Access(vpn=0x100, write=True), Fork(1, "fork"), Think(1_000_000)]
    done = on_alpha("C14", work=workload(parent, [Think(1_000_000)], parents=(-1, 0)))
    assert all_done(done) and any(record[1].startswith("object.pte") for record in done.records(OBJECT_NEW))
    assert "I-REFCOUNT" not in judged(done).names


@pytest.mark.parametrize(("revert", "times"), [(("C01",), 1), ((), 0)])
def test_a_page_table_page_is_made_busy_to_be_freed_as_long_as_a_removal_asked_for_it(revert, times):
    """Although this page has no object to be removed from."""
    done = on_alpha(*revert)
    (leaf,) = [record[3] for record in done.records(PT_REMOVE) if record[1:3] == LEVELS[-1]]
    assert all_done(done) and [record[1] for record in done.records(PAGE_BUSY)].count(leaf) == times
