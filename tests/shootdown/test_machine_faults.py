"""Each fault of the modelled machine in its scenario: it fires, is seen in the trace, and changes what its page says it changes.

The scenario is run on one worker and on two, whose digests must agree, and once without its faults, with which the outcome is compared.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import pytest

import shootdown as sd
from cluster.scenario.places import names
from cluster.scenario.scenario import load_tables
from protocol.faults import INSTANT, KINDS, PART

UNREACHABLE = ("I-FREE-UNMAPPED", "I-TLB", "I-TLB-DONE")
"""What speaks of a page that was given up while a TLB still maps it."""


class Shown(NamedTuple):
    """What a scenario shows: how it ends, which checks speak, how figures differ from the run without the fault, and what else."""

    metrics: dict[str, Callable[[int, int], bool]] = {}
    """Metric to a relation between its values without and with the fault."""
    checks: tuple[str, ...] = ()
    ended: str = "finished"
    also: Callable[[sd.Run, sd.Run], bool] = lambda clean, run: True


def more_by(amount: int) -> Callable[[int, int], bool]:
    return lambda clean, faulty: faulty >= clean + amount


def times(factor: float) -> Callable[[int, int], bool]:
    return lambda clean, faulty: faulty > clean * factor


def last_ns(run: sd.Run) -> int:
    """When the last task ended."""
    return max(record.time_ns for record in run.records(kind="task.end"))


def rest_ns(run: sd.Run) -> int:
    """The shortest time from one end of the page daemon's rest to the next: the rest itself, and a pass."""
    ends = [record.time_ns for record in run.records(kind="wake") if record.record[2:] == ("vm_pages_needed", "timeout")]
    return min(later - earlier for earlier, later in pairwise(ends))


def waits_for(text: str) -> Callable[[sd.Run, sd.Run], bool]:
    """Somebody is left waiting for this."""
    return lambda clean, run: text in {row[2] for row in run.summary["waits"]} and not clean.summary["waits"]


def outcomes(run: sd.Run, routine: str) -> set[Any]:
    return {record.record[3] for record in run.records(kind="leave") if record.record[2] == routine}


SHOWS = {
    "cpu-stalled": Shown({"ipi.spin_ns": more_by(90_000)}),
    "cpu-slow": Shown({"lock.vm_page_queue.hold_ns_max": times(1.2)}, also=lambda clean, run: last_ns(run) > 1.3 * last_ns(clean)),
    "cpu-offline": Shown({"ipi.spin_ns": more_by(900_000), "lock.smp_ipi.hold_ns_max": more_by(900_000)}),
    "interrupt-storm": Shown(also=lambda clean, run: last_ns(run) > 1.2 * last_ns(clean)),
    "vcpu-preempted": Shown({"lock.vm_page_queue_free.spin_ns": more_by(100_000), "lock.vm_page_queue_free.hold_ns_max": more_by(99_000)}),
    "clock-skew": Shown(also=lambda clean, run: rest_ns(run) == rest_ns(clean) + 50_000),
    "lost-ipi": Shown(ended="stuck", also=waits_for("acknowledgements of cpu.1")),
    "ipi-late": Shown({"ipi.spin_ns": more_by(8 * 15_000)}),
    "ipi-duplicated": Shown({"ipi.delivered": more_by(1)}, ("I-ONE-SHOOT", "I-TLB-DONE")),
    "ipi-acked-early": Shown(checks=UNREACHABLE),
    "tlb-stale-entry": Shown(checks=UNREACHABLE),
    "tlb-wrong-range": Shown(checks=UNREACHABLE),
    "lock-released-early": Shown(checks=("I-LOCKSET",)),
    "lock-granted-twice": Shown(
        checks=("I-TREE",), ended="panic", also=lambda clean, run: "offset already allocated" in run.summary["why"]
    ),
    "wakeup-lost": Shown(checks=("I-WANT",), ended="stuck", also=waits_for("pq page.3")),
    "wakeup-spurious": Shown(also=lambda clean, run: len(list(run.records(kind="sleep"))) == len(list(clean.records(kind="sleep"))) + 1),
    "pager-error": Shown(also=lambda clean, run: outcomes(run, "vm_fault") - outcomes(clean, "vm_fault") == {"sigbus"}),
    "pager-slow": Shown(also=lambda clean, run: last_ns(run) == last_ns(clean) + 900_000),
    "pager-never": Shown(ended="stuck", also=waits_for("pager.0 pager.read")),
    "pager-wrong-data": Shown({"pages.misread": lambda clean, faulty: (clean, faulty) == (0, 1)}),
    "pager-torn-write": Shown({"pages.misread": more_by(1)}, ("I-DIRTY",)),
    "memory-withheld": Shown({"vm_waits": more_by(1), "free.min": lambda clean, faulty: faulty < clean}),
    "memory-fragmented": Shown(
        also=lambda clean, run: (outcomes(clean, "contigmalloc"), outcomes(run, "contigmalloc")) == ({"ok"}, {"no memory"})
    ),
    "allocation-failure": Shown({"vm_waits": more_by(1)}),
}
"""By scenario."""


def tables(name: str) -> dict[str, Any]:
    return tomllib.loads(names("scenarios")[name].read_text("utf-8"))


def run(name: str, out, workers: int = 1, faults: bool = True) -> sd.Run:
    raw, path = tables(name), names("scenarios")[name]
    if not faults:
        del raw["faults"]
        raw.pop("expect", None)
    return sd.run(load_tables(raw, str(path), path.parent), workers=workers, transport="inproc", out=out)


def test_every_kind_of_fault_of_a_part_or_at_an_instant_has_its_scenario():
    shown = {fault["kind"] for name in SHOWS for fault in tables(name)["faults"]}
    assert {word for word, kind in KINDS.items() if kind.scope in (PART, INSTANT) or word.startswith("pager-")} <= shown


@pytest.mark.parametrize("name", SHOWS)
def test_it_fires_is_on_record_and_changes_what_it_should(name, tmp_path):
    one, two, clean = run(name, tmp_path / "1"), run(name, tmp_path / "2", workers=2), run(name, tmp_path / "0", faults=False)
    shown = SHOWS[name]
    assert one.digest == two.digest != clean.digest
    assert one.violations == two.violations
    assert one.summary["surprises"] == []
    fired = one.summary["faults_fired"]
    assert fired == two.summary["faults_fired"]
    assert all(fired.values())
    assert {fault: sum(record.record[1] == fault for record in one.records(kind="fault.fired")) for fault in fired} == fired
    assert (one.ended, tuple(sorted({violation.check for violation in one.violations}))) == (shown.ended, shown.checks)
    assert (clean.ended, clean.violations) == ("finished", [])
    differing = {metric: (clean.metrics[metric], one.metrics[metric]) for metric in shown.metrics}
    assert {metric: pair for metric, pair in differing.items() if not shown.metrics[metric](*pair)} == {}
    assert shown.also(clean, one)
