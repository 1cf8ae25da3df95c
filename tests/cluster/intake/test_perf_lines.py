import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.intake import perf_lines as perf

TAIL = " 9977/9978  [001]   753.995177:             exceptions:page_fault_user: address=0x7f4d42a8e408 ip=0x55a9223d052d error_code=0x7"


def test_a_plain_line_counts_microseconds():
    line = perf.parse("            perf" + " " + TAIL.strip())
    assert line is not None
    assert (line.comm.strip(), line.pid, line.tid, line.cpu, line.time_ns, line.event) == (
        "perf",
        9977,
        9978,
        1,
        753_995_177_000,
        "exceptions:page_fault_user",
    )
    assert perf.fault(line) == (0x7F4D42A8E408, "0x55a9223d052d", 7)


def test_a_rich_line_counts_nanoseconds_exactly():
    line = perf.parse("            perf 1/1 [000] 9007199254.740993001: tlb:tlb_flush: pages:0 reason:x (0)")
    assert line is not None
    assert line.time_ns == 9_007_199_254_740_993_001, "a float would lose the last digits"


@given(st.binary(max_size=15).filter(lambda comm: b"\n" not in comm))
def test_no_comm_can_change_what_its_line_says(comm):
    text = (comm.rjust(16) + b" " + TAIL.strip().encode()).decode("latin-1")
    line = perf.parse(text)
    assert line is not None
    assert (line.pid, line.tid, line.cpu, line.time_ns) == (9977, 9978, 1, 753_995_177_000)
    assert perf.fault(line) == (0x7F4D42A8E408, "0x55a9223d052d", 7)


@pytest.mark.parametrize("comm", ["bash", "1/1 [0] 1.0: a:", "kworker/u8:0-ex", ":-1", "a b  c", "x [000] y"])
def test_an_unpadded_comm_is_found_too(comm):
    line = perf.parse(comm + TAIL)
    assert line is not None
    assert (line.comm, line.pid, line.tid) == (comm, 9977, 9978)


@given(st.text(st.characters(codec="latin-1", exclude_characters="\n"), max_size=15), st.text(st.characters(codec="latin-1"), max_size=15))
def test_comms_within_fields_forge_nothing(one, other):
    head = "            perf 7/7 [000] 1.000000001: "
    switch = perf.parse(
        f"{head}sched:sched_switch: prev_comm={one} prev_pid=7 prev_prio=120 prev_state=D|W ==> next_comm={other} next_pid=9 next_prio=1"
    )
    fork = perf.parse(f"{head}sched:sched_process_fork: comm={one} pid=7 child_comm={one} child_pid=8")
    born = perf.parse(f"{head}task:task_newtask: pid=8 comm={one} clone_flags=3d0f00 oom_score_adj=0")
    gone = perf.parse(f"{head}sched:sched_process_exit: comm={one} pid=7 prio=120 group_dead=false")
    assert switch and fork and born and gone
    assert perf.switched_out(switch) == (7, "D|W")
    assert perf.forked(fork) is not None and perf.forked(fork)[0] == 8
    assert perf.new_task(born) == (8, 0x3D0F00)
    assert perf.exited(gone) == (7, False)


def test_errors_are_negative_results():
    head = "            perf 7/7 [000] 1.000000001: syscalls:sys_exit_munmap: "
    for text, value in (("0xffffffffffffffea", -22), ("0x0", 0), ("-12", -12), ("0x7f0000000000", 0x7F0000000000)):
        line = perf.parse(head + text)
        assert line is not None
        assert perf.returned(line) == value


def test_a_mapping_line_names_file_and_rights():
    line = perf.parse(
        "            perf 0/0 [000] 0.000000000: PERF_RECORD_MMAP2 5/6: "
        "[0x55fa4c963000(0x258000) @ 0x80000 fe:00 2173234 0]: r-xp /usr/bin/my perf"
    )
    assert line is not None
    assert perf.region(line) == perf.Region(5, 6, 0x55FA4C963000, 0x258000, 0x80000, "fe:00", 2173234, 5, False, "/usr/bin/my perf")


@pytest.mark.parametrize("text", ["", "# comment", "perf 1/1 [0] 1.5: a:b: ", "Warning: lost 5", "            perf 1/1 [0] 1.000000 a:b:"])
def test_what_is_no_line_is_none(text):
    assert perf.parse(text) is None


HUGE = "9" * 25
LARGEST = (1 << 64) - 1


@pytest.mark.parametrize(
    ("event", "read"),
    [
        (f"exceptions:page_fault_user: address=0x{'f' * 17} ip=0x401000 error_code=0x6", perf.fault),
        (f"exceptions:page_fault_user: address=0x1000 ip=0x401000 error_code=0x{'f' * 17}", perf.fault),
        (f"PERF_RECORD_MMAP2 5/6: [0x{'f' * 17}(0x1000) @ 0 fe:00 7 0]: r-xp /bin/x", perf.region),
        (f"PERF_RECORD_MMAP2 5/6: [0x1000(0x1000) @ 0x{'f' * 17} fe:00 7 0]: r-xp /bin/x", perf.region),
        (f"PERF_RECORD_MMAP2 5/6: [0x1000(0x1000) @ 0 fe:00 {HUGE} 0]: r-xp /bin/x", perf.region),
        (f"syscalls:sys_exit_mmap: {HUGE}", perf.returned),
        (f"syscalls:sys_exit_mmap: -{LARGEST}", perf.returned),
        (f"task:task_newtask: pid={HUGE} comm=prog clone_flags=0 oom_score_adj=0", perf.new_task),
        (f"sched:sched_process_exec: filename=/bin/x pid={HUGE} old_pid=5", perf.executed),
        (f"sched:sched_process_exit: comm=prog pid={HUGE} prio=120", perf.exited),
    ],
)
def test_a_number_that_the_kernel_cannot_have_printed_is_none(event, read):
    line = perf.parse(f"            perf 7/7 [000] 1.000000001: {event}")
    assert line is not None
    assert read(line) is None


@pytest.mark.parametrize("head", [f"7/7 [000] {HUGE}.000000000", f"{HUGE}/7 [000] 1.000000000", f"7/7 [{HUGE}] 1.000000000"])
def test_a_head_that_the_kernel_cannot_have_printed_is_none(head):
    assert perf.parse(f"            perf {head}: exceptions:page_fault_user: address=0x1000 ip=0x1 error_code=0x6") is None


def test_the_latest_time_is_the_last_that_fits():
    text = "            perf 7/7 [000] {}: syscalls:sys_exit_munmap: 0x0"
    line = perf.parse(text.format("9223372036.854775807"))
    assert line is not None
    assert line.time_ns == perf.TIME_NS_MAX
    assert perf.parse(text.format("9223372036.854775808")) is None


def test_a_loss_of_more_than_there_can_be_counts_as_one():
    line = perf.parse(f"            perf 7/7 [000] 1.000000001: PERF_RECORD_LOST lost {HUGE}")
    assert line is not None
    assert perf.lost_events(line) == 1
