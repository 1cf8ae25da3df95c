"""A sweep says how its runs end, what speaks and in which seed first, and what was never evaluated; in one process or two alike."""

from __future__ import annotations

import pytest

from cluster.errors import InputError, RunError
from protocol.checks.registry import CHECKS
from shootdown import many_seeds
from shootdown.many_seeds import BATCH, Processes, runs
from shootdown.sweeping import Seen, Subject, Sweep, sweep

SMALL = Subject("fault-storm", ("workload.parameters.pages=2", "workload.parameters.rounds=1", "workload.parameters.tasks=2"))


def seen(seed, ended="finished", violations=None, evaluated=0, status=0, pages_max=3):
    return Seen(
        seed, ended, "" if ended == "finished" else "t1 waits", violations or {}, {"I-ONEQ": evaluated}, _metrics(pages_max), status
    )


def _metrics(pages_max):
    return {"pageouts": 2, "pages.resident_max": pages_max}


def test_a_sweep_of_silent_runs():
    with Processes(1) as processes:
        found = sweep(SMALL, range(3, 5), processes)
    assert [one.seed for one in found.seen] == [3, 4]
    assert found.silent and found.violations() == {}
    assert found.endings() == {"finished": {"runs": 2, "first_seed": 3, "why": "all 2 tasks are done"}}
    assert set(found.evaluated()) == set(CHECKS)
    assert "I-COW" in found.not_evaluated and "I-ONEQ" not in found.not_evaluated
    assert found.as_json()["metrics"]["faults.zero_fill"] == sum(one.metrics["faults.zero_fill"] for one in found.seen) > 0


def test_processes_change_nothing():
    seeds = range(1, BATCH + 3)
    with Processes(1) as one, Processes(2) as two:
        assert sweep(SMALL, seeds, one) == sweep(SMALL, seeds, two)


def test_what_speaks_is_counted_and_its_first_seed_is_told():
    found = Sweep(SMALL, [seen(5), seen(6, violations={"I-TLB": 2}, status=1), seen(7, "stuck", {"I-TLB": 1, "I-ACT": 4}, 9, 1, 8)])
    assert not found.silent
    assert found.violations() == {
        "I-ACT": {"violations": 4, "runs": 1, "first_seed": 7},
        "I-TLB": {"violations": 3, "runs": 2, "first_seed": 6},
    }
    assert found.endings()["stuck"] == {"runs": 1, "first_seed": 7, "why": "t1 waits"}
    assert found.not_evaluated == []
    assert found.metrics() == {"pageouts": 6, "pages.resident_max": 8}, "counts are added, of a maximum the greatest is told"


def test_a_change_put_back_is_found():
    """C24 is met in nearly every schedule."""
    with Processes(1) as processes:
        found = sweep(Subject("kernel-mix", (), None, ("C24",)), range(1, 4), processes)
    assert not found.silent
    assert min(said["first_seed"] for said in found.violations().values()) < 4


def test_bad_input_is_refused_before_anything_is_run():
    with Processes(1) as processes, pytest.raises(InputError, match=r"machine\.frames"):
        sweep(Subject("fault-storm", ("machine.frames=1",)), range(1, 9), processes)


def test_the_value_of_the_json_names_all_that_was_asked_for():
    found = Sweep(Subject("demo", ("machine.cpus=2",), "freebsd-2006", ("C24",), ("R03", "R04")), [seen(5)]).as_json()
    assert {key: found[key] for key in Subject._fields} == {
        "scenario": "demo",
        "sets": ["machine.cpus=2"],
        "kernel": "freebsd-2006",
        "revert": ["C24"],
        "apply": ["R03", "R04"],
    }


def test_a_run_that_fails_is_told_with_its_seed(monkeypatch):
    def fails(scenario, **_):
        raise RunError("cpu.0 failed")

    monkeypatch.setattr(many_seeds, "run", fails)
    from cluster.scenario import load

    with pytest.raises(RunError, match=r"seed 4 of fault-storm: cpu\.0 failed"):
        list(runs(load("fault-storm", []), [4]))
