"""Calls and faults, with lines that the real recordings do not hold."""

import pytest

A, B = 100, 101
HEAP = 0x7F0000000000
PAGE = HEAP >> 12
ENOMEM, EINVAL = 0xFFFFFFFFFFFFFFF4, 0xFFFFFFFFFFFFFFEA


def step(workload, number, task=0):
    return workload.tasks[task].steps[number]


def test_failed_calls_change_nothing(pen, words):
    pen.mmap(A, HEAP)
    pen.call(A, "munmap", HEAP, 0x4000, result=EINVAL)
    pen.call(A, "mmap", 0, 0x4000, 3, 0x22, 0xFFFFFFFF, 0, result=ENOMEM)
    pen.call(A, "mprotect", HEAP, 0x4000, 0, result=EINVAL)
    pen.call(A, "madvise", HEAP, 0x4000, 4, result=EINVAL)
    pen.call(A, "mremap", HEAP, 0x4000, 0x8000, 1, 0, result=ENOMEM)
    pen.fault(A, HEAP)
    workload = pen.compile()
    assert words(workload, made_up=True) == ["mmap", "access"]
    assert workload.account.ignored == {"failed-call": 10}
    assert workload.account.mmaps == 1


def test_populate_is_kept(pen):
    pen.mmap(A, HEAP, flags=0x8022)
    pen.call(A, "madvise", HEAP, 0x2000, 22)
    pen.call(A, "madvise", HEAP, 0x2000, 23)
    workload = pen.compile()
    assert step(workload, 0).populate
    assert [step(workload, n).advice for n in (1, 2)] == ["populate-read", "populate-write"]


def test_advice_that_drops_pages_is_kept_and_other_advice_counted_by_number(pen):
    for advice in (4, 8, 14, 14, 3):
        pen.call(A, "madvise", HEAP, 0x1801, advice)
    workload = pen.compile()
    assert [(s.start, s.end, s.advice) for s in workload.tasks[0].steps] == [(PAGE, PAGE + 2, "drop")] * 2
    assert workload.account.ignored == {"madvise-14": 4, "madvise-3": 2}


def test_plain_calls_without_an_end_are_taken_to_have_succeeded(pen, words):
    pen.mmap(A, HEAP)
    pen.enter(A, "mprotect", HEAP, 0x1000, 1)
    pen.enter(A, "madvise", HEAP, 0x1000, 4)
    pen.fault(A, HEAP)
    workload = pen.compile()
    assert words(workload) == ["mmap", "mprotect", "madvise", "access"]
    assert workload.account.ignored == {}


def test_a_mapping_without_an_address_cannot_be_replayed(pen, words):
    pen.enter(A, "mmap", 0, 0x4000, 3, 0x22, 0xFFFFFFFF, 0)
    pen.fault(A, HEAP)
    pen.leave(A, "mmap", HEAP)
    pen.enter(A, "mremap", HEAP, 0x1000, 0x2000, 1, 0)
    workload = pen.compile()
    assert words(workload) == ["access"]
    assert workload.account.ignored == {"unfinished-call": 2, "no-enter": 1}


def test_a_heap_grows_and_shrinks_in_pages(pen):
    top = 0x55550000
    for wanted, result in (
        (0, top),
        (top + 0x100, top + 0x100),
        (top + 0x3000, top + 0x3000),
        (top + 0x1000, top + 0x1000),
        (1, top + 0x1000),
    ):
        pen.call(A, "brk", wanted, result=result)
    pen.fault(A, top + 0x800)
    workload = pen.compile()
    brks = [(s.old_end - (top >> 12), s.new_end - (top >> 12)) for s in workload.tasks[0].steps if s.word == "brk"]
    assert brks == [(0, 1), (1, 3), (3, 1)]
    assert [s.word for s in workload.tasks[0].steps] == ["brk"] * 3 + ["access"]
    assert workload.account.ignored == {"brk-query": 2, "failed-call": 2}


def test_a_heap_that_grows_where_only_a_guess_was_mapped_clears_it_first(pen):
    top = 0x55600000
    pen.fault(A, top + 0x100800, 0x4)
    pen.call(A, "brk", 0, result=top + 0x102000)
    pen.call(A, "brk", top + 0x104000, result=top + 0x104000)
    workload = pen.compile()
    assert [s.word for s in workload.tasks[0].steps] == ["mmap", "access", "munmap", "brk"]
    guess = step(workload, 2)
    assert (guess.start, guess.end, guess.line) == ((top >> 12) + 0x102, (top >> 12) + 0x104, 0)


@pytest.mark.parametrize("to", [HEAP, HEAP + 0x100000])
def test_mremap_moves_what_is_mapped(pen, to, words):
    pen.mmap(A, HEAP, 0x4000)
    pen.call(A, "mremap", HEAP, 0x4000, 0x6000, 1, 0, result=to)
    pen.fault(A, to + 0x5000)
    pen.call(A, "mremap", to, 0x6000, 0x1000, 1, 0, result=to)
    pen.fault(A, to + 0x3000)
    workload = pen.compile()
    assert words(workload, made_up=True) == ["mmap", "mremap", "access", "mremap", "mmap", "access"]
    moved = step(workload, 1)
    assert (moved.start, moved.end, moved.new_start, moved.new_end) == (PAGE, PAGE + 4, to >> 12, (to >> 12) + 6)


def test_mremap_of_the_unknown_maps_it_first_and_clears_where_it_goes(pen, words):
    pen.mmap(A, HEAP + 0x100000, 0x1000)
    pen.call(A, "mremap", HEAP, 0x2000, 0x2000, 3, HEAP + 0x100000, result=HEAP + 0x100000)
    workload = pen.compile()
    assert words(workload, made_up=True) == ["mmap", "mmap", "munmap", "mremap"]


def test_mremap_that_keeps_or_copies_the_old_range(pen, words):
    pen.mmap(A, HEAP, 0x2000)
    pen.call(A, "mremap", HEAP, 0x2000, 0x2000, 5, 0, result=HEAP + 0x100000)
    pen.call(A, "mremap", HEAP, 0, 0x2000, 1, 0, result=HEAP + 0x200000)
    pen.fault(A, HEAP)
    pen.fault(A, HEAP + 0x101000)
    pen.fault(A, HEAP + 0x201000)
    workload = pen.compile()
    assert words(workload, made_up=True) == ["mmap", "mremap", "mmap", "mmap", "access", "access", "access"]


def test_a_call_of_no_whole_page_has_no_effect(pen):
    pen.call(A, "munmap", HEAP, 0)
    pen.mmap(A, HEAP, 0x1000)
    pen.call(A, "mremap", HEAP, 0x1000, 0x1000, 1, 0, result=HEAP)
    pen.call(A, "mremap", HEAP, 0x1000, 0, 1, 0, result=HEAP)
    pen.mmap(A, HEAP + 0x10000, 0)
    assert pen.compile().account.ignored == {"no-effect": 8}


def test_file_pieces_inherit_the_length_that_identifies_their_file(pen):
    pen.mmap(A, HEAP, 0x5432, flags=2, fd=3)
    pen.mmap(A, HEAP + 0x1000, 0x2000, flags=0x12, fd=3, offset=0x1000)
    pen.mmap(A, HEAP + 0x10000, 0x5432, flags=2, fd=4)
    pen.mmap(A, HEAP + 0x20000, 0x999, flags=1, fd=3)
    pen.mmap(A, HEAP + 0x30000, 0x1000, flags=2, fd=9, offset=0x7000)
    workload = pen.compile()
    assert [(s.file, s.offset, s.shared) for s in workload.tasks[0].steps] == [
        (0, 0, False),
        (0, 1, False),
        (0, 0, False),
        (1, 0, True),
        (2, 7, False),
    ]
    assert [file.pages for file in workload.files] == [6, 1, 8]


def test_a_mapping_line_names_the_file_of_a_call_and_repeats_the_rest(pen):
    pen.enter(A, "mmap", 0, 0x5000, 1, 2, 3, 0)
    pen.region(A, HEAP, 0x8000, "/lib/x.so")
    pen.leave(A, "mmap", HEAP)
    pen.enter(A, "mmap", 0, 0x1000, 3, 0x22, 0xFFFFFFFF, 0)
    pen.region(A, HEAP + 0x10000, 0x1000, "//anon", inode=0)
    pen.leave(A, "mmap", HEAP + 0x10000)
    workload = pen.compile()
    assert [(s.start, s.end, s.file) for s in workload.tasks[0].steps] == [(PAGE, PAGE + 5, 0), (PAGE + 16, PAGE + 17, -1)]
    assert workload.files[0].name == "/lib/x.so"
    assert (workload.account.replayed, workload.account.ignored) == (5, {"repeat": 1})


def test_shared_memory_without_a_file_is_anonymous(pen):
    pen.enter(A, "mmap", 0, 0x1000, 3, 0x21, 0xFFFFFFFF, 0)
    pen.region(A, HEAP, 0x1000, "/dev/zero (deleted)", inode=9, prot="rw-s")
    pen.leave(A, "mmap", HEAP)
    mapped = step(pen.compile(), 0)
    assert (mapped.file, mapped.shared) == (-1, True)


def test_an_unknown_mapping_fills_the_gap_in_its_block(pen):
    block = 0x7F0000200000
    pen.mmap(A, block + 0x10000, 0x1000)
    pen.fault(A, block + 0x13000, 0x6)
    pen.fault(A, block + 0x3000, 0x4)
    pen.fault(A, block + 0x2000, 0x7)
    workload = pen.compile()
    made = [s for s in workload.tasks[0].steps if s.word == "mmap" and not s.line]
    base = block >> 12
    assert [(s.start - base, s.end - base, s.file) for s in made] == [(0x11, 0x200, -1), (0, 0x10, 0)]
    accesses = [s for s in workload.tasks[0].steps if s.word == "access"]
    assert [(s.write, s.present, s.anonymous) for s in accesses] == [(True, False, True), (False, False, False), (True, True, False)]


def test_the_loaders_store_is_to_a_file_and_the_kernels_copy_to_memory(pen):
    pen.fault(A, 0x400000, 0x2, ip="elf_load")
    pen.fault(A, 0x7FFC00000000, 0x2, ip="_copy_to_user")
    made = [s for s in pen.compile().tasks[0].steps if s.word == "mmap"]
    assert [s.file for s in made] == [0, -1]


def test_a_fault_just_below_the_stack_is_its_growth(pen):
    pen.region(A, 0x7FFC00040000, 0x21000, "[stack]", inode=0, prot="rw-p", comm="other")
    pen.exec(A, "other")
    pen.fault(A, 0x7FFC0003F000, 0x6, comm="other")
    made = step(pen.compile(), 1)
    assert (made.word, made.stack, made.end, made.file) == ("mmap", True, 0x7FFC00040, -1)


@pytest.mark.parametrize(
    ("state", "wait_ns", "between", "fd", "cold"),
    [
        ("D", 100_000, False, 3, True),
        ("D", 300_000, False, 3, True),
        ("D", 300_001, False, 3, False),
        ("S", 100_000, False, 3, False),
        ("D", 100_000, True, 3, False),
        ("D", 100_000, False, None, False),
    ],
)
def test_a_task_that_sleeps_on_a_file_waited_for_the_disk(pen, state, wait_ns, between, fd, cold):
    pen.mmap(A, HEAP, flags=0x22 if fd is None else 2, fd=fd or 0xFFFFFFFF)
    pen.fault(A, HEAP, 0x4)
    pen.line(0, "tlb:tlb_flush:", "pages:0 reason:flush on task switch (0)", after_ns=0)
    if between:
        pen.line(A, "tlb:tlb_flush:", "pages:1 reason:local MM shootdown (3)", after_ns=0)
    pen.switch(A, state, after_ns=wait_ns)
    assert step(pen.compile(), 1).cold is cold


def test_a_task_that_sleeps_on_a_page_that_is_there_waited_for_something_else(pen):
    pen.mmap(A, HEAP, flags=2, fd=3)
    pen.fault(A, HEAP, 0x7)
    pen.switch(A, "D")
    assert not step(pen.compile(), 1).cold


def test_only_user_space_is_replayed(pen):
    pen.fault(A, 0xFFFF888000000000, 0x2, ip="memcpy")
    pen.fault(A, HEAP)
    pen.call(A, "mmap", 0, 0x1000, 3, 0x32, 0xFFFFFFFF, 0, result=0xFFFF888000000000)
    workload = pen.compile()
    assert workload.account.ignored == {"kernel-address": 3}
    assert (workload.account.faults, workload.account.mmaps) == (1, 0)


def test_mappings_from_before_belong_to_their_owner_and_time_starts_after_them(pen):
    pen.time_ns = 0
    pen.region(A, 0x400000, 0x2000, "/bin/x", comm="perf-exec", after_ns=0)
    pen.region(A, 0x55550000, 0x2000, "[heap]", inode=0, prot="rw-p", comm="perf-exec", after_ns=0)
    pen.region(A, 0xFFFFFFFFFF600000, 0x1000, "[vsyscall]", inode=0, after_ns=0)
    pen.time_ns = 5_000_000_000
    pen.fault(B, HEAP, after_ns=0)
    pen.fault(A, 0x401000, 0x14, comm="perf-exec")
    pen.call(A, "brk", 0x55554000, result=0x55554000)
    workload = pen.compile()
    assert [(s.word, s.at_ns) for s in workload.tasks[0].steps] == [("mmap", 0), ("mmap", 0), ("access", 10_000), ("brk", 20_000)]
    assert [s.at_ns for s in workload.tasks[1].steps] == [0, 0]
    assert (workload.account.replayed, workload.account.ignored, workload.account.mmaps) == (6, {"kernel-address": 1}, 0)


def test_threads_of_a_space_keep_their_order(pen):
    pen.mmap(A, HEAP)
    pen.fork(A, B, 0x3D0F00)
    pen.fault(B, HEAP, pid=A)
    pen.call(A, "munmap", HEAP, 0x4000)
    pen.mmap(B, HEAP, pid=A)
    pen.fault(A, HEAP)
    workload = pen.compile()
    assert [step(workload, n, 1).after for n in (0, 1)] == [(), ((0, 2),)]
    assert [step(workload, n).after for n in (2, 3)] == [((1, 0),), ((1, 1),)]
    assert [s.announced for s in workload.tasks[1].steps] == [True, True]


def test_a_fork_copies_the_map_as_it_is_then(pen):
    pen.mmap(A, HEAP)
    pen.fork(A, B, 0x3D0F00)
    pen.fault(B, HEAP, pid=A)
    pen.fork(A, 102, 0x1200000)
    pen.fault(B, HEAP, 7, pid=A)
    workload = pen.compile()
    assert step(workload, 2).after == ((1, 0),)
    assert step(workload, 1, 1).after == ((0, 2),), "a store after the fork must copy"


def test_munmap_takes_effect_where_it_begins_and_mmap_where_it_returns(pen):
    pen.mmap(A, HEAP)
    pen.fork(A, B, 0x3D0F00)
    pen.enter(A, "munmap", HEAP, 0x4000)
    pen.mmap(B, HEAP, pid=A)
    pen.leave(A, "munmap")
    workload = pen.compile()
    assert step(workload, 0, 1).after == ((0, 2),), "the new mapping may lie where the old one was"
    assert step(workload, 2).after == ()


def test_lost_and_strange_lines_are_counted(pen):
    pen.raw("# captured on: today")
    pen.raw("")
    pen.raw("Processed 12 events")
    pen.fault(A, HEAP)
    pen.line(0, "PERF_RECORD_LOST", "lost 17", comm="swapper")
    pen.line(0, "PERF_RECORD_COMM", "exec: x:1/1")
    pen.line(A, "syscalls:sys_enter_openat:", "dfd: 1")
    pen.line(A, "exceptions:page_fault_user:", "address=junk")
    pen.line(A, "syscalls:sys_enter_mmap:", "addr: 0x0")
    workload = pen.compile()
    assert workload.account.lost == 17
    assert workload.account.ignored == {
        "blank": 1,
        "comment": 1,
        "lost": 1,
        "perf-record": 1,
        "unknown-event": 1,
        "unreadable": 3,
    }


def test_a_cpu_number_that_no_machine_has_is_a_damaged_line(pen):
    pen.fault(A, HEAP)
    pen.fault(A, HEAP, cpu=9_999_999)
    workload = pen.compile()
    assert (workload.cpus, workload.account.ignored) == (1, {"unreadable": 1})
