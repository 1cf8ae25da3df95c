"""The six real recordings: counts taken from their text without the product, and an order that any legal schedule keeps."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from cluster.intake.compile_perf import compile_recording, inspect
from protocol.workload import decode, encode

NAMES = ("gcc-compile", "gcc-compile.rich", "redis-bgsave", "redis-bgsave.rich", "mprotect-storm", "mprotect-storm.rich")
# lines, page faults, munmap, mprotect, new tasks; attempts, local MM, task switch, wrong CPU, TLB IPIs (README of the recordings)
TABLE = {
    "gcc-compile": (5016, 3942, 8, 33, 4, 103, 211, 26, 2, None),
    "gcc-compile.rich": (5912, 4095, 10, 39, 5, 4, 255, 35, 3, 4),
    "redis-bgsave": (17551, 5271, 18, 104, 12, 48, 1223, 944, 8, None),
    "redis-bgsave.rich": (23467, 5538, 20, 110, 13, 167, 1444, 1491, 7, 9),
    "mprotect-storm": (4608, 3577, 21, 157, 6, 106, 334, 32, 3, None),
    "mprotect-storm.rich": (6843, 4819, 23, 155, 7, 35, 362, 37, 5, 7),
}
RECORDINGS = Path(__file__).parents[3] / "configs" / "recordings"


def steps_of(workload, word):
    return [step for task in workload.tasks for step in task.steps if step.word == word and step.line]


@pytest.mark.parametrize("name", NAMES)
def test_counts_are_those_of_the_table(recordings, name):
    workload, host = recordings[name], recordings[name].host
    account = workload.account
    assert TABLE[name] == (
        account.lines,
        account.faults,
        len(steps_of(workload, "munmap")),
        len(steps_of(workload, "mprotect")),
        sum(account.forks.values()),
        host["remote_attempts"],
        host["local_mm"],
        host["task_switch"],
        host["wrong_cpu"],
        host["tlb_ipis"],
    )


@pytest.mark.parametrize("name", NAMES)
def test_counts_are_those_of_the_text(recordings, texts, name):
    workload, lines = recordings[name], texts[name]
    account = workload.account

    def count(pattern):
        return sum(re.search(pattern, line) is not None for line in lines)

    assert account.lines == len(lines) == account.replayed + sum(account.ignored.values())
    assert (
        account.mmaps
        == count(r"sys_exit_mmap: 0x0*[1-9a-f][0-9a-f]{0,11}$")
        == len(steps_of(workload, "mmap")) - count(r" 0\.000000000: PERF_RECORD_MMAP2 .*\[0x[0-7]")
    )
    assert account.faults == count(r"page_fault_(user|kernel): ") == len(steps_of(workload, "access"))
    assert account.execs == count("sched:sched_process_exec: ") == len(steps_of(workload, "exec"))
    assert account.exits == count("sched:sched_process_exit: ") == len(steps_of(workload, "exit"))
    assert sum(account.forks.values()) == count("sched:sched_process_fork: ") == len(steps_of(workload, "fork"))
    assert account.ignored["scheduling"] == count("sched:sched_switch: ")
    assert workload.cpus == 2


@pytest.mark.parametrize("name", [name for name in NAMES if "rich" in name])
def test_forks_are_what_the_clone_flags_say(recordings, texts, name):
    flags = [int(found[1], 16) for line in texts[name] if (found := re.search(r"clone_flags=([0-9a-f]+)", line))]
    threads = sum(bool(flag & 0x10000) for flag in flags)
    vforks = sum(bool(flag & 0x4000) for flag in flags)
    assert recordings[name].account.forks == {"fork": len(flags) - threads - vforks, "vfork": vforks, "thread": threads}


def test_plain_forks_are_told_from_behaviour(recordings):
    assert recordings["gcc-compile"].account.forks == {"fork": 0, "vfork": 4, "thread": 0}
    assert recordings["redis-bgsave"].account.forks == {"fork": 8, "vfork": 0, "thread": 4}
    assert recordings["mprotect-storm"].account.forks == {"fork": 6, "vfork": 0, "thread": 0}


def test_the_reader_of_a_library_is_joined_with_others(recordings):
    libc = [file for file in recordings["gcc-compile.rich"].files if file.name.endswith("/libc.so.6")]
    assert len(libc) == 1
    mapped = [step for step in steps_of(recordings["gcc-compile"], "mmap") if step.file >= 0]
    by_length = [recordings["gcc-compile"].files[step.file].name for step in mapped]
    assert by_length.count("file of 0x1e1f50 bytes") >= 5 * 4, "five programs, each with the pieces of one libc"


def test_hostless_rich_and_plain_counters_are_null(recordings):
    assert recordings["redis-bgsave"].host["call_function"] == 2300
    assert recordings["redis-bgsave.rich"].host["call_function"] is None


@pytest.mark.parametrize("name", NAMES)
def test_exec_begins_a_space_that_the_loader_faults_in(recordings, texts, name):
    for task in recordings[name].tasks:
        for at, step in enumerate(task.steps):
            if step.word == "exec":
                later = [access for access in task.steps[at + 1 :] if access.word == "access"]
                assert later[0].line < step.line, "the loader's faults stand before exec's own line"
                assert bool(step.mappings) == ("rich" in name)
                pieces = [(row[0], row[1]) for row in step.mappings]
                assert pieces == sorted(pieces)
                assert all(one[1] <= other[0] for one, other in pairwise(pieces))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("favour", [1, -1])
def test_every_legal_schedule_ends_and_every_fault_finds_its_mapping(recordings, replayed, name, favour):
    """Steps run as early as the edges allow, the first or the last task first: the most unfair schedules there are."""
    assert replayed(recordings[name], favour) == []


@pytest.mark.parametrize("name", NAMES)
def test_times_never_run_backwards_within_a_task(recordings, name):
    for task in recordings[name].tasks:
        times = [step.at_ns for step in task.steps]
        assert times == sorted(times)
        assert not task.steps or task.cpu == task.steps[0].cpu


@pytest.mark.parametrize("lines", [1, 200, 344, 900, 3000])
def test_a_recording_can_be_cut_after_any_line(replayed, lines):
    for name in ("gcc-compile", "redis-bgsave.rich"):
        workload = compile_recording(RECORDINGS / f"{name}.perf.txt.xz", lines)
        assert workload.account.lines == lines
        assert replayed(workload, 1) == []


def test_the_same_text_gives_the_same_workload_and_survives_the_wire(recordings):
    again = compile_recording(RECORDINGS / "gcc-compile.perf.txt.xz")
    assert again == recordings["gcc-compile"]
    assert decode(encode(again)) == again


def test_inspection_tells_the_form():
    facts = inspect(RECORDINGS / "gcc-compile.rich.perf.txt.xz")
    assert (facts["form"], facts["cpus"], facts["lines"], facts["name"]) == ("rich", 2, 5912, "gcc-compile.rich")
    assert inspect(RECORDINGS / "gcc-compile.perf.txt.xz", 100)["form"] == "plain"
