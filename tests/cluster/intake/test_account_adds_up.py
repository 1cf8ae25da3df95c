"""Whatever is done to a recording's lines, each is accounted for once, and what comes out can be replayed."""

import lzma
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.errors import InputError
from cluster.intake.compile_perf import compile_recording, inspect
from cluster.intake.ledger import REASONS
from protocol.workload import decode, encode

RECORDINGS = Path(__file__).parents[3] / "configs" / "recordings"


def sample(name, count):
    """Lines of every kind: the rare ones all, of the others as many as are needed."""
    lines = lzma.decompress((RECORDINGS / f"{name}.perf.txt.xz").read_bytes()).decode().splitlines()
    rare = [line for line in lines if "sched_process" in line or "newtask" in line or "madvise" in line or "munmap" in line]
    return rare[:count] + lines[170 : 170 + count]


LINES = sample("redis-bgsave.rich", 60) + sample("gcc-compile", 60)
FRAGMENTS = [line[at:] for line in LINES[::7] for at in (0, 17, 40)] + ["", "#", "[000]", "\0x", "\r", "0xffffffffffffffff", "-1/-1"]
PLACE = st.integers(0, 150)
MANGLE = st.one_of(
    st.just(lambda line: line),
    st.builds(lambda at, cut: lambda line: line[:at] + line[at + cut :], PLACE, st.integers(1, 12)),
    st.builds(lambda at, new: lambda line: line[:at] + new + line[at:], PLACE, st.sampled_from(FRAGMENTS)),
    st.builds(lambda text: lambda line: text, st.text(max_size=30)),
)


def retimed(number, line):
    """The line at a time of its own, so that any selection of lines runs forwards."""
    head, _, fields = line.partition(": ")
    return f"{head.rpartition(' ')[0]} 5.{number:09}: {fields}"


def write(path, lines, end):
    path.write_bytes(("\n".join(lines) + end).encode("utf-8", "replace"))
    return path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(LINES), MANGLE), max_size=40), st.sampled_from(["", "\n"]), st.integers(0, 12))
def test_the_account_adds_up_for_any_lines(tmp_path, replayed, lines, end, lines_max):
    lines = [mangle(retimed(number, line)).replace("\n", " ") for number, (line, mangle) in enumerate(lines)]
    path = write(tmp_path / "mangled", lines, end)
    try:
        workload = compile_recording(path, lines_max)
    except InputError:
        return
    account = workload.account
    whole = path.read_bytes().count(b"\n") + (not path.read_bytes().endswith(b"\n"))
    assert account.lines == (min(whole, lines_max) if lines_max else whole)
    assert account.replayed + sum(account.ignored.values()) == account.lines
    assert all(word in REASONS or word.startswith("madvise-") for word in account.ignored)
    assert list(account.ignored) == sorted(account.ignored)
    assert decode(encode(workload)) == workload
    assert replayed(workload, 1) == replayed(workload, -1) == []
    assert inspect(path, lines_max)["lines"] == account.lines


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.lists(st.integers(0, len(LINES) - 1), min_size=20, max_size=120))
def test_lines_that_are_missing_break_nothing(tmp_path, replayed, wanted):
    """Any selection of real lines, made to follow each other in time: births without ends, ends without births."""
    lines = [retimed(number, LINES[index]) for number, index in enumerate(wanted)]
    workload = compile_recording(write(tmp_path / "gaps", lines, "\n"))
    assert workload.account.lines == len(wanted)
    assert replayed(workload, 1) == replayed(workload, -1) == []
