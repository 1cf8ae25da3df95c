"""I-TLB and I-TLB-DONE: what a TLB may say while a shootdown is under way, and what it may not say after it."""

from __future__ import annotations

from protocol import records as r
from protocol.checks import Suite
from protocol.checks.tlb import grants_more
from protocol.identity import SHARED_WINDOW
from protocol.pages import PTE_A, PTE_M, PTE_RW, PTE_U, PTE_V
from protocol.paging import PAGING
from tests.protocol.checks.stream import MACHINE, PMAP, RO, RW, TABLE, Stream, judge, speaks_first


def shared_page() -> Stream:
    """A page that CPUs 0 and 1 have in their TLBs."""
    return Stream().fault(0, 1, 0).fill(1, 1, 100)


def test_tlb_hears_a_shootdown_that_was_forgotten():
    s = shared_page().acquire(0, "pq", PMAP).at(PMAP, (r.PTE_BITS, 100, 1, RW, RO)).release(0, "pq", PMAP)
    found = speaks_first(s, "I-TLB")
    assert "cpu.0's TLB: pmap.1.cpu.0 va 0x64000 still maps vm page 0x1 writable when thread 0 gives the pmap lock back" in found.message
    assert "but the page table has vm page 0x1 read-only" in found.message


def test_tlb_hears_a_target_that_was_left_out():
    s = shared_page().unmap(0, 1, 100)
    found = speaks_first(s, "I-TLB")
    assert "cpu.1's TLB" in found.message
    assert "the page table has nothing there" in found.message


def test_tlb_hears_a_fill_from_a_page_table_that_never_said_so():
    s = Stream().fault(0, 1, 0).fault(0, 2, 1).fill(1, 2, 100)
    assert "filled with vm page 0x2 writable, but the page table has vm page 0x1 writable" in speaks_first(s, "I-TLB").message


def test_a_walk_before_the_change_may_fill_until_its_cpu_has_flushed():
    s = shared_page().acquire(0, "pq", PMAP).at(PMAP, (r.PTE_CLEAR, 100, 1, RW)).at("pq", (r.PV_DEL, 1, PMAP, 100, True, True))
    s.fill(2, 1, 100).shoot(0, 100, 101, 1, 2).release(0, "pq", PMAP)
    assert not judge(s)[0]
    late = shared_page().acquire(0, "pq", PMAP).at(PMAP, (r.PTE_CLEAR, 100, 1, RW)).at("pq", (r.PV_DEL, 1, PMAP, 100, True, True))
    late.shoot(0, 100, 101, 1, 2).fill(2, 1, 100).release(0, "pq", PMAP)
    assert "cpu.2's TLB" in speaks_first(late, "I-TLB").message


def test_a_flush_of_another_range_does_not_forbid_the_fill():
    s = shared_page().acquire(0, "pq", PMAP).at(PMAP, (r.PTE_CLEAR, 100, 1, RW)).at("pq", (r.PV_DEL, 1, PMAP, 100, True, True))
    s.flush(2, 200, 201).fill(2, 1, 100).shoot(0, 100, 101, 1, 2).release(0, "pq", PMAP)
    assert not judge(s)[0]


def test_a_stale_entry_that_grants_less_is_legal():
    s = Stream().fault(0, 1, 0, bits=RO).fill(1, 1, 100, RO)
    s.acquire(0, "pq", PMAP).at(PMAP, (r.PTE_SET, 100, 1, RW, 1, RO)).release(0, "pq", PMAP)
    assert not judge(s)[0]


def test_a_load_of_another_space_counts_as_a_flush():
    s = shared_page().acquire(0, "pq", PMAP).at(PMAP, (r.PTE_CLEAR, 100, 1, RW)).at("pq", (r.PV_DEL, 1, PMAP, 100, True, True))
    s.flush(1, pmap="").shoot(0, 100, 101).release(0, "pq", PMAP)
    assert not judge(s)[0]


def test_tlb_names_a_window_and_its_lock():
    """A kernel window is no address of a page table, and has a lock of its own."""
    s = Stream().acquire(0, SHARED_WINDOW).at(SHARED_WINDOW, (r.WINDOW_SET, 5, 0, 0)).on(1, (r.WINDOW_FILL, SHARED_WINDOW, 5))
    s.at(SHARED_WINDOW, (r.WINDOW_SET, 6, 5, 0)).release(0, SHARED_WINDOW)
    still = f"cpu.1's TLB: {SHARED_WINDOW} still maps vm page 0x5 writable when thread 0 gives the lock of {SHARED_WINDOW} back"
    words = f"{still}, but the window has vm page 0x6 writable; no completed shootdown covered it"
    assert [v.message for v in judge(s, "limit", ("I-TLB",))[0]] == [words]


def test_tlb_done_hears_an_acknowledgement_before_the_flush():
    s = shared_page().unmap(0, 1, 100, 1).drop(r.TLB_FLUSH, actor="cpu.1")
    found = speaks_first(s, "I-TLB-DONE")
    assert found.message == "cpu.1's TLB: pmap.1.cpu.0 va 0x64000 still maps vm page 0x1 writable after the shootdown by thread 0 was done"


def test_tlb_done_hears_the_initiators_own_entry_and_a_range_too_short():
    own = shared_page().unmap(0, 1, 100, 1).drop(r.TLB_FLUSH, actor="cpu.0")
    assert "cpu.0's TLB" in speaks_first(own, "I-TLB-DONE").message
    short = shared_page().unmap(0, 1, 100, 1).change(r.TLB_FLUSH, actor="cpu.1", to=lambda x: (x[0], x[1], 101, 102, x[4]))
    assert "cpu.1's TLB" in speaks_first(short, "I-TLB-DONE").message


def test_tlb_done_hears_every_entry_of_a_space_shot_down_whole():
    s = Stream().fault(0, 1, 0).fault(0, 2, 1).fill(1, 1, 100).fill(1, 2, 101)
    s.acquire(0, "pq", PMAP).at(PMAP, (r.PTE_BITS, 100, 1, RW, RO), (r.PTE_BITS, 101, 2, RW, RO)).shoot(0, 0, 0, 1).release(0, "pq", PMAP)
    assert not judge(s)[0]
    found, _ = judge(s.drop(r.TLB_FLUSH, actor="cpu.1"))
    assert [v.check for v in found] == ["I-TLB-DONE", "I-TLB-DONE", "I-TLB", "I-TLB"]


def left_out(active: str) -> Stream:
    """CPU 1 has a page in its TLB; CPU 0 unmaps it and shoots nobody down. ``active``: when CPU 1 comes into pm_active."""
    became = (r.PMAP_ACTIVE, 1, True)
    s = Stream().at(PMAP, (r.PMAP_ACTIVE, 0, True))
    s = (s.at(PMAP, became) if active in ("before", "gone") else s).fault(0, 1, 0).fill(1, 1, 100).acquire(0, "pq", PMAP)
    s.at(PMAP, (r.PTE_CLEAR, 100, 1, RW)).at("pq", (r.PV_DEL, 1, PMAP, 100, True, True), (r.PAGE_DIRTY, 1, 0, 255))
    if active == "gone":
        s.at(PMAP, (r.PMAP_ACTIVE, 1, False)).flush(1, pmap="")
    return (s.at(PMAP, became) if active == "late" else s).shoot(0, 100, 101).release(0, PMAP, "pq")


def test_tlb_done_hears_an_active_cpu_that_was_not_named():
    found = speaks_first(left_out("before"), "I-TLB-DONE")
    still = f"cpu.1's TLB: {PMAP} va 0x64000 still maps vm page 0x1 writable"
    assert found.message == f"{still} after the shootdown by thread 0 was done, which did not name it"


def test_tlb_done_leaves_a_cpu_whose_bit_comes_late_to_the_lock_of_the_pmap():
    """R03 open: the initiator may have looked before. A CPU that has loaded another table meanwhile has nothing left."""
    for active in ("late", "never"):
        assert "I-TLB-DONE" not in {v.check for v in judge(left_out(active))[0]}
        assert "cpu.1's TLB" in speaks_first(left_out(active), "I-TLB").message
    assert not judge(left_out("gone"))[0]


def test_tlb_done_asks_nothing_of_a_cpu_whose_entry_grants_no_more():
    """It was filled from the new table, after the initiator looked and before the call's record."""
    s = Stream().at(PMAP, (r.PMAP_ACTIVE, 0, True), (r.PMAP_ACTIVE, 1, True)).fault(0, 1, 0).acquire(0, "pq", PMAP)
    s.at(PMAP, (r.PTE_BITS, 100, 1, RW, RO)).fill(1, 1, 100, RO).shoot(0, 100, 101).release(0, PMAP, "pq")
    assert not judge(s)[0]


def test_an_entry_filled_after_the_call_is_not_the_calls_business():
    s = shared_page().acquire(0, PMAP, "smp").on(0, (r.SHOOT_BEGIN, 0, PMAP, 100, 101, (1,)))
    s.flush(0, 100, 101).flush(1, 100, 101).fill(1, 1, 100).at("smp", (r.SHOOT_ACK, 1, 0))
    s.on(0, (r.SHOOT_DONE, 0, PMAP, 100, 101, (1,), 5)).release(0, "smp", PMAP)
    assert not judge(s)[0]


def test_only_a_cached_m_lets_an_entry_write_by_itself():
    read_only = (1, PTE_V | PTE_U)
    assert grants_more(1, PTE_V | PTE_RW | PTE_M, read_only)
    assert not grants_more(1, PTE_V | PTE_RW | PTE_A, read_only)
    assert grants_more(2, PTE_V, read_only)
    assert grants_more(1, PTE_V, None)


def test_an_address_space_that_is_over_is_forgotten():
    """A run creates address spaces without end."""
    leaf, middle, top = (1, SLOT, TABLE), (2, 0, TABLE + 1), (3, 0, TABLE + 2)
    s = Stream().at(PMAP, (r.PMAP_ACTIVE, 0, True))
    s.entries_in[(PMAP, SLOT)] = 0
    s.at(PMAP, (r.PT_REFS, *top, 0, 1), (r.PT_INSTALL, *middle), (r.PT_REFS, *middle, 0, 1), (r.PT_INSTALL, *leaf))
    s.fault(0, 1, 0).acquire(0, "pq", PMAP).at(PMAP, (r.PTE_CLEAR, 100, 1, RW)).at("pq", (r.PV_DEL, 1, PMAP, 100, True, True)).flush(0)
    s.at(PMAP, (r.PT_REFS, *middle, 1, 0), (r.PT_REMOVE, *leaf), (r.PT_REFS, *top, 1, 0), (r.PT_REMOVE, *middle), (r.PT_REMOVE, *top))
    s.release(0, PMAP, "pq")
    suite = Suite(("I-TLB", "I-PTREF"), MACHINE, {})
    assert not suite.step(s.entries)
    assert PMAP in suite.state().pmaps.pmaps
    switch = Stream()
    switch.now = s.now
    assert not suite.step(switch.flush(0, pmap="").at(PMAP, (r.PMAP_ACTIVE, 0, False)).entries)
    assert not suite.state().pmaps.pmaps
    assert not suite.state().pmaps.loaded


# I-PTREF ------------------------------------------------------------------------------------------------------------------------

SLOT = 100 >> PAGING[MACHINE.pmap].bits


def table_goes(count: int, cleared: bool, counted: bool) -> Stream:
    """The leaf table of a page goes: with its entry cleared or not, and counted down or not, from a count of ``count``."""
    s = Stream()
    s.entries_in[(PMAP, SLOT)] = count - 1
    s.fault(0, 1, 0).acquire(0, "pq", PMAP)
    if cleared:
        s.at(PMAP, (r.PTE_CLEAR, 100, 1, RW)).at("pq", (r.PV_DEL, 1, PMAP, 100, True, True), (r.PAGE_DIRTY, 1, 0, 255)).flush(0)
    elif counted:
        s.at(PMAP, (r.PT_REFS, 1, SLOT, TABLE, count, count - 1))
    if cleared and not counted:
        s.drop(r.PT_REFS, new=count - 1)
    up = (2, SLOT >> PAGING[MACHINE.pmap].bits, TABLE + 1)
    return s.at(PMAP, (r.PT_REFS, *up, 2, 1), (r.PT_REMOVE, 1, SLOT, TABLE)).release(0, PMAP, "pq")


def test_ptref_hears_a_table_unlinked_with_a_valid_entry():
    assert not judge(table_goes(1, cleared=True, counted=True), ended="limit")[0]
    table = f"{PMAP}: page-table page {TABLE:#x} of level 1, slot {SLOT:#x} unlinked while it counts"
    still = table_goes(1, cleared=False, counted=False)
    assert speaks_first(still, "I-PTREF", ended="limit").message == f"{table} 1 references and has 1 valid entries"
    uncounted = table_goes(1, cleared=False, counted=True)
    assert speaks_first(uncounted, "I-PTREF", ended="limit").message == f"{table} 0 references and has 1 valid entries"


def counted_early(s: Stream) -> Stream:
    """An entry is counted in the table of a page; while it is not stored yet, another thread holds the pmap's lock and gives it back."""
    s.at(PMAP, (r.PT_REFS, 1, SLOT, TABLE, 1, 2)).acquire(1, "pq", PMAP).release(1, PMAP, "pq")
    s.entries_in[(PMAP, SLOT)] = 2
    return s


def said(s: Stream, **forms: str) -> list[str]:
    """What I-PTREF says in this kernel."""
    suite = Suite(("I-PTREF",), MACHINE, forms)
    return [v.message for v in suite.step(s.entries) + suite.finish(s.now, "limit")]


def test_ptref_says_a_difference_once_and_the_late_half_takes_it_back():
    table = f"{PMAP}: the page-table page of level 1, slot {SLOT:#x}"
    s = Stream()
    s.entries_in[(PMAP, SLOT)] = 0
    counted_early(s.fault(0, 1, 0)).acquire(1, PMAP).release(1, PMAP)
    more = f"{table} counts 1 references more than it has entries"
    assert said(s) == [more]
    stored = [
        (r.PTE_CLEAR, 100, 1, RW),
        (r.PT_REFS, 1, SLOT, TABLE, 2, 1),
        (r.PT_REFS, 1, SLOT, TABLE, 1, 0),
        (r.PT_REMOVE, 1, SLOT, TABLE),
    ]
    s.entries.append(((s.now + 5, 1, 0, PMAP, "cpu.0", 900, "", 0), "word", stored))
    assert said(s) == [more], "it goes with neither a reference nor an entry"


def test_ptref_allows_an_entry_counted_early_in_a_table_that_never_had_one():
    def built(*before: tuple[int, ...]) -> Stream:
        above = (2, SLOT >> PAGING[MACHINE.pmap].bits, TABLE + 1)
        s = Stream().at(PMAP, (r.PT_REFS, *above, 0, 1), (r.PT_INSTALL, 1, SLOT, TABLE), *before)
        s.at(PMAP, (r.PT_REFS, 1, SLOT, TABLE, 0, 1)).acquire(1, PMAP).release(1, PMAP)
        s.entries.append(((s.now + 5, 1, 0, PMAP, "cpu.0", 900, "", 0), "word", [(r.PTE_SET, 100, 1, RW, -1, 0)]))
        s.now += 10
        return s.acquire(1, PMAP).release(1, PMAP)

    assert said(built(), C11="partial") == said(built(), C09="unlocked") == []
    assert len(said(built(), C11="locked")) == 1
    once = built((r.PTE_SET, 101, 2, RW, -1, 0))
    assert len(said(once, C11="partial")) == 1, "what had an entry is no longer being built"


def test_ptref_hears_a_table_unlinked_with_a_count():
    s = table_goes(1, cleared=True, counted=False)
    assert "unlinked while it counts 1 references and has 0 valid entries" in speaks_first(s, "I-PTREF", ended="limit").message
    more = table_goes(2, cleared=True, counted=True)
    assert "unlinked while it counts 1 references and has 1 valid entries" in speaks_first(more, "I-PTREF", ended="limit").message
