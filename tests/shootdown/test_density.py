"""How dense a bug is: which cases there are, what is counted, and that it does not depend on how many processes count."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from cluster.errors import InputError
from cluster.experiments.experiment import experiment_files, load_experiment
from protocol.changes import CHANGES
from shootdown import density, many_seeds
from shootdown.density import REPAIRED, Case, Density, cases, densities

SCHEDULED = [f"C{number:02}" for number in (3, 4, 5, 9, 11, 12, 13, 14, 19, 20, 22, 24, 25, 28, 30, 33)]
SCHEDULED += [id for id in CHANGES if id.startswith("R")]


def test_a_case_for_everything_that_depends_on_the_schedule():
    found = cases()
    assert [case.id for case in found if case.id != REPAIRED] == SCHEDULED
    assert [id for id in experiment_files() if load_experiment(id).table.density is not None] == SCHEDULED


def test_the_repaired_kernel_runs_each_workload_once_and_first():
    found = cases(["C20", "C28", "C09", "C11"])
    assert [case.id for case in found] == [REPAIRED, REPAIRED, "C20", "C28", "C09", "C11"]
    assert {(case.scenario, case.sets) for case in found[:2]} == {("kernel-mix", ()), ("kernel-mix", ("machine.pmap=i386",))}
    assert [case.sets for case in found[2:]] == [(), (), ("machine.pmap=i386",), ("machine.pmap=i386",)]


def test_by_slug_too():
    assert [case.id for case in cases(["cache-dirty-test"])] == [REPAIRED, "C20"]


def test_what_does_not_depend_on_the_schedule_is_refused_with_what_does():
    with pytest.raises(InputError) as raised:
        cases(["C20", "C01", "C31"])
    assert (raised.value.found, raised.value.allowed) == (["C01", "C31"], SCHEDULED)
    assert str(raised.value).startswith("density: found C01, C31, allowed: ")


def test_an_unknown_change_is_refused():
    with pytest.raises(InputError, match="no experiment has this id or slug"):
        cases(["C99"])


def test_a_row_says_what_spoke_first_most_frequent_first():
    row = Density(Case("R03", "kernel-mix", ("a=1",)), 10, {4: "I-TLB", 2: "panic", 9: "I-TLB", 7: "I-MAP"}).as_json()
    assert list(row["spoke"].items()) == [("I-TLB", 2), ("I-MAP", 1), ("panic", 1)]
    assert (row["id"], row["slug"], row["sets"]) == ("R03", "pm-active-order", ["a=1"])
    assert (row["seeds"], row["met"], row["first_seed"]) == (10, 4, 2)
    assert Density(Case(REPAIRED, "kernel-mix", ()), 10, {}).as_json()["first_seed"] is None


@pytest.fixture
def drawn(monkeypatch):
    """Runs that end as their seed says: 3 a violation, 5 a panic, 7 stuck, others well; what was asked of them."""
    asked = []
    ends = {5: "panic", 7: "stuck"}

    def run(scenario, seed, out, trace, snapshot_ms, lasting):
        asked.append((seed, scenario, trace))
        return SimpleNamespace(violations=[SimpleNamespace(check="I-TLB")] if seed == 3 else [], ended=ends.get(seed, "finished"))

    monkeypatch.setattr(many_seeds, "run", run)
    monkeypatch.setattr(density, "load", lambda name, sets, kernel, revert: (name, tuple(sets), kernel, revert))
    return asked


def test_the_first_word_of_each_seed_is_counted(drawn):
    (found,) = densities([Case("R03", "mix", ("a=1",))], range(1, 9))
    assert found.met == {3: "I-TLB", 5: "panic", 7: "stuck"} and found.seeds == 8
    assert [seed for seed, *_ in drawn] == list(range(1, 9))
    assert drawn[0][1] == ("mix", ("a=1", "checks.stop_at_first=true"), None, ("R03",)) and not drawn[0][2]


def test_a_check_that_is_ignored_is_not_asked(drawn):
    case = Case("C03", "mix", ("a=1",), ("I-BUSY-ONLY",))
    list(densities([case], range(1)))
    assert drawn[0][1][1] == tuple(case.settings())
    _, stop, enabled = case.settings()
    assert stop == "checks.stop_at_first=true"
    assert "I-BUSY-XOR" in enabled and "I-BUSY-ONLY" not in enabled


def test_the_repaired_kernel_has_no_old_form(drawn):
    list(densities([Case(REPAIRED, "mix", ())], range(1)))
    assert drawn[0][1][3] == ()


SMALL = ("workload.parameters.steps=8",)


def small(id):
    return Case(id, "kernel-mix", SMALL)


def test_real_runs_and_processes_count_the_same():
    wanted = [small(REPAIRED), small("C30")]
    alone = list(densities(wanted, range(1, 3)))
    shared = list(densities(wanted, range(1, 3), jobs=2))
    assert alone == shared
    assert alone[0].met == {} and set(alone[1].met.values()) <= {"I-LOCKSET"}


def test_batches_cover_every_seed_once(drawn, monkeypatch):
    class Here:
        def __init__(self, jobs, mp_context, initializer):
            assert jobs == 3

        def shutdown(self, cancel_futures):
            assert cancel_futures

        map = staticmethod(map)

    monkeypatch.setattr(many_seeds, "ProcessPoolExecutor", Here)
    seeds = range(1, 2 * many_seeds.BATCH + 2)
    (found,) = densities([small("R03")], seeds, jobs=3)
    assert [seed for seed, *_ in drawn] == list(seeds) and found.met == {3: "I-TLB", 5: "panic", 7: "stuck"}
