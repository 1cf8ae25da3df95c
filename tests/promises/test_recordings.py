"""The bundled recordings replay as promised: ample memory and half of what they then need. The suite runs three of the twelve replays."""

from __future__ import annotations

import msgspec
import pytest

import shootdown as sd
from cluster.promises.job import Job, carry_out
from cluster.promises.joining import Outcome, joined
from cluster.promises.recounting import Recounted, recount
from cluster.promises.replaying import PRESSED, RECORDINGS, accounted, ample, as_recorded, copies, ended_well, scarce, unexercised
from cluster.promises.sizes import RECORDINGS as NAMES
from cluster.promises.sizes import SHORTENED_SCARCE
from cluster.scenario import load
from protocol.checks.registry import CHECKS
from protocol.pages import PTE_RW
from protocol.records import FAULT_DONE, PAGE_REBIND, PAGE_RELEASE, PTE_SET, STORE, TASK_STEP, TLB_HIT
from protocol.workload import Access, Account, Task, Workload


class Replays:
    """Each replay is made once, whoever asks first."""

    def __init__(self, place):
        self.place, self.made = place, {}

    def ample(self, name):
        if name not in self.made:
            self.made[name] = ample(Job(label=name, scenario=name), self.place.mktemp(name), carry_out)
        return self.made[name]

    def scarce(self, name):
        if (name, "scarce") not in self.made:
            resident_max = self.ample(name).found.metrics["pages.resident_max"]
            self.made[name, "scarce"] = scarce(Job(label=name, scenario=name), resident_max, carry_out)
        return self.made[name, "scarce"]


@pytest.fixture(scope="module")
def replays(tmp_path_factory):
    return Replays(tmp_path_factory)


def long(names, short):
    return [name if name in short else pytest.param(name, marks=pytest.mark.promise) for name in names]


@pytest.mark.parametrize("name", long(NAMES, ("gcc-compile", "mprotect-storm")))
def test_with_ample_memory_a_recording_is_replayed_as_it_was_made(replays, name):
    replay = replays.ample(name)
    assert replay.broken == []
    assert replay.found.metrics["faults.modelled"] > 3000
    assert (replay.present_writes > 500) == ("redis" in name), "the promise about copies is about something"


@pytest.mark.parametrize("name", long(NAMES, ("gcc-compile",)))
def test_with_half_of_what_it_needs_memory_is_short_and_nothing_breaks(replays, name):
    replay = replays.scarce(name)
    assert replay.broken == []
    assert replay.frames == replays.ample(name).found.metrics["pages.resident_max"] // 2
    assert all(replays.ample(name).found.metrics[metric] == 0 for metric in ("pageouts", "vm_waits")), "pressure is what moved them"


@pytest.mark.promise
def test_over_the_twelve_every_check_is_there_and_most_are_evaluated(replays):
    """The rest needs what no recording has: a send, a driver, a device's memory. tests/promises/test_silence.py has them."""
    evaluated = [replay(name).found.evaluated for name in NAMES for replay in (replays.ample, replays.scarce)]
    assert all(set(run) == set(CHECKS) for run in evaluated)
    assert set(unexercised(evaluated)) <= {"I-BOUNDS", "I-COW", "I-FICT"}


def test_a_summary_names_the_checks_that_were_not_exercised(tmp_path):
    scenario = load(SHORTENED_SCARCE.scenario, SHORTENED_SCARCE.sets)
    summary = sd.run(scenario, out=tmp_path / "run", trace=False).summary
    idle = [name for name in sorted(CHECKS) if not summary["checks"][name]["evaluated"]]
    assert set(summary["checks"]) == set(CHECKS)
    assert summary["not_exercised"] == idle
    assert idle, "a run that exercises all of them shows nothing here; choose a smaller one"
    assert unexercised([{name: (found["evaluated"], found["violations"]) for name, found in summary["checks"].items()}]) == idle


# What the judgements say of runs that are not as promised ------------------------------------------------------------------


@pytest.fixture(scope="module")
def short():
    return carry_out(Job(label="short", scenario="gcc-compile", sets=("workload.lines_max=300",)))


def test_counts_that_are_not_the_texts_are_told(short):
    text = recount(RECORDINGS / "gcc-compile.perf.txt.xz", 300)
    assert ended_well(short) + as_recorded(short, text) == []
    assert as_recorded(short, text._replace(vforks=3)) == ["vforks: 1, the text has 3"]
    lost = msgspec.structs.replace(short, workload={**short.workload, "ignored": 0})
    assert as_recorded(lost, text) == [f"300 lines, of which {short.workload['replayed']} replayed and 0 ignored"]


def test_an_ending_that_is_not_finished_is_told(short):
    assert ended_well(msgspec.structs.replace(short, ended="stuck", why="cpu.1 waits")) == ["ended stuck: cpu.1 waits"]


def test_a_fault_without_an_outcome_and_one_too_many_are_told(short):
    text = recount(RECORDINGS / "gcc-compile.perf.txt.xz", 300)
    hits = short.metrics["accesses.hit"]
    outcomes = [Outcome(1, 0, False, False, "hit", False)] * hits + [Outcome(1, 0, False, False, "soft", False)] * (text.faults - hits)
    assert accounted(short, text, outcomes) == []
    nothing = [*outcomes[:-1], outcomes[-1]._replace(how="")]
    assert accounted(short, text, nothing) == ["faults without an outcome: 1, not 0"]
    assert accounted(short, text._replace(faults=text.faults + 1), outcomes)[0].startswith("faults.recorded: ")


@pytest.mark.parametrize(("copied", "broken"), [(70, 0), (69, 1)])
def test_too_few_copies_are_told(copied, broken):
    assert len(copies(100, copied)) == broken


def test_pressure_that_moves_nothing_is_told(short):
    replay = scarce(Job(label="short", scenario="gcc-compile", sets=("workload.lines_max=300",)), 2 * 65536, carry_out)
    assert len(replay.broken) == 2 + (replay.found.metrics["faults.hard"] == 0) + (replay.found.metrics[PRESSED[3]] == 0)


def test_steps_are_joined_with_what_became_of_their_own_page():
    """Two tasks interleaved; a page touched again (retouch), a fault of another step and one that is not recorded must not be joined."""
    one = [Access(vpn=5, write=True, present=True, recorded=True, line=10), Access(vpn=6), Access(vpn=7, recorded=True, line=12)]
    other = [Access(vpn=5, recorded=True, line=11)]
    tasks = [Task("a", 0, -1, 0, one), Task("b", 1, -1, 1, other)]
    workload = Workload("made-up", tasks, [], Account(), 2)
    head = (0, 1, 0, "cpu.0", "cpu.0", 1, "cpu.0", 0)
    records = [
        (TASK_STEP, 0, 0, "access", 0),
        (TASK_STEP, 1, 0, "access", 0),
        (FAULT_DONE, 1, 5, "soft", False, False),
        (FAULT_DONE, 0, 9, "zero-fill", False, False),
        (FAULT_DONE, 0, 5, "hard", True, True),
        (FAULT_DONE, 0, 5, "soft", False, False),
        (TASK_STEP, 0, 1, "access", 0),
        (FAULT_DONE, 0, 6, "soft", False, False),
        (TASK_STEP, 0, 2, "access", 0),
        (TLB_HIT, 0, 7, "populate"),
    ]
    assert joined(workload, [[(head, "timer", records[:4])], [(head, "timer", records[4:])]]) == [
        Outcome(10, 0, True, True, "hard", True),
        Outcome(11, 1, False, False, "soft", False),
        Outcome(12, 0, False, False, "hit", False),
    ]


def pages_of_a_fork(*steps):
    """Records of one task that writes to page 5, which is in frame 7, with these records, its step's among them."""
    access = Access(vpn=5, write=True, present=True, recorded=True, line=10)
    workload = Workload("made-up", [Task("a", 0, -1, 0, [Access(vpn=6), access])], [], Account(), 1)
    head = (0, 1, 0, "pmap.0", "cpu.0", 1, "cpu.0", 0)
    return joined(workload, [[(head, "timer", [*steps])]])[0].cow


RENAMED = (PAGE_REBIND, 7, "object.3", 0, "object.2", 0)
BEGUN, SOFT, ZERO = (TASK_STEP, 0, 1, "access", 0), (FAULT_DONE, 0, 5, "soft", False, False), (FAULT_DONE, 0, 5, "zero-fill", False, False)
UPGRADED = (PTE_SET, 5, 7, PTE_RW, 7, 0)
STORED = (STORE, 0, "pmap.0", 5, 7)


def test_a_page_that_a_collapse_has_moved_up_went_through_copy_on_write_when_it_is_written_to_first():
    assert pages_of_a_fork(RENAMED, BEGUN, UPGRADED, SOFT, STORED)


@pytest.mark.parametrize(
    "steps",
    [
        (BEGUN, UPGRADED, SOFT, STORED),
        (RENAMED, (PAGE_RELEASE, 7, "object.3", 0, 1), BEGUN, UPGRADED, SOFT, STORED),
        (RENAMED, (STORE, 1, "pmap.1", 5, 7), BEGUN, UPGRADED, SOFT, STORED),
        (RENAMED, BEGUN, (PTE_SET, 5, 7, PTE_RW, 7, PTE_RW), SOFT, STORED),
        (RENAMED, BEGUN, (PTE_SET, 5, 7, PTE_RW, 8, 0), SOFT, STORED),
        (RENAMED, BEGUN, (PTE_SET, 5, 7, 0, 7, 0), SOFT, STORED),
        (RENAMED, BEGUN, UPGRADED, ZERO, STORED),
        (RENAMED, BEGUN, UPGRADED, SOFT),
        ((PAGE_REBIND, 7, "object.3", 0, "", 0), BEGUN, UPGRADED, SOFT, STORED),
    ],
    ids=[
        "not moved", "freed since", "written to since", "writable before", "another page before", "still read-only", "zero-filled",
        "no store", "inserted, not moved",
    ],
)  # fmt: skip
def test_other_soft_faults_did_not(steps):
    assert not pages_of_a_fork(*steps)


def test_the_text_is_counted_without_the_compiler():
    plain = recount(RECORDINGS / "redis-bgsave.perf.txt.xz")
    assert isinstance(plain, Recounted)
    assert plain.counts() == {"lines": 17551, "faults": 5271, "forks": 8, "vforks": 0, "threads": 4, "execs": 8, "exits": 13, "mmaps": 495}
    assert recount(RECORDINGS / "gcc-compile.perf.txt.xz").vforks == 4
