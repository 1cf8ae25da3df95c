"""The shipped scenarios of links, swarm and liveness: the fault fires, is on record, and changes what the model says it changes."""

from __future__ import annotations

import pytest

from cluster.scenario.places import names

SCENARIOS = sorted(name for name in names("scenarios") if name.startswith(("link-", "liveness-", "swarm-")))
LATER = [name for name in SCENARIOS if name.endswith("-retransmit")]


def last_end(run):
    """When the last task was done."""
    return max((record.time_ns for record in run.records(kind="task.end")), default=0)


def waiting(run):
    """Task and what it waits for."""
    return {row[1]: row[2] for row in run.summary["waits"] if row[1] >= 0}


def firings(run):
    return [(record.fields["fault"], record.fields["what"]) for record in run.records(kind="fault.fired")]


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_fires_is_recorded_and_ends_as_it_says(made, name):
    run = made(name)
    assert run.summary["surprises"] == []
    assert run.summary["faults_fired"]
    assert all(count > 0 for count in run.summary["faults_fired"].values())
    assert {fault for fault, _ in firings(run)} == set(run.summary["faults_fired"])


@pytest.mark.parametrize("name", SCENARIOS)
def test_two_workers_see_what_one_sees(made, name):
    one, two = made(name), made(name, workers=2, backend="asyncio" if SCENARIOS.index(name) % 3 == 0 else "trio")
    assert two.digest == one.digest
    kept = ("ended", "why", "faults_fired", "faults_silent", "waits", "violations", "checks", "virtual_ns")
    assert {key: two.summary[key] for key in kept} == {key: one.summary[key] for key in kept}


@pytest.mark.parametrize("name", SCENARIOS)
def test_without_the_fault_it_would_have_been_otherwise(made, name):
    run, plain = made(name), made(name, faults=False)
    assert (plain.ended, plain.summary["violations_total"]) == ("finished", 0)
    assert plain.digest != run.digest
    if run.ended == "finished" and not run.summary["violations_total"] and name != "link-duplicate-retransmit":
        assert last_end(run) > last_end(plain)


@pytest.mark.parametrize("name", LATER)
def test_a_link_layer_makes_up_for_it(made, name):
    """Everything gets done, nothing is violated, and it takes longer than with sound links by what the layer waited."""
    run, bare, plain = made(name), made(name.removesuffix("-retransmit")), made(name, faults=False)
    assert (run.ended, run.summary["violations_total"], list(run.records(kind="stray"))) == ("finished", 0, [])
    assert bare.ended == "stuck" or bare.summary["violations_total"] > 0
    late_ns = last_end(run) - last_end(plain)
    assert late_ns >= 20_000 if name not in ("link-duplicate-retransmit", "link-reorder-retransmit") else late_ns >= 0


def test_a_lost_grant_leaves_its_thread_waiting(made):
    run = made("link-lose")
    assert firings(run) == [("lost-grant", "lock-grant from fq lost")]
    assert run.ended == "stuck"
    assert waiting(run) == {1: "fq", 0: "map.0"}, "who was given the lock, and who waits for what that thread holds"
    assert firings(made("link-lose-retransmit")) == [("lost-grant", "lock-grant from fq lost, sent again once and 20000 ns late")]


def test_a_damaged_answer_is_dropped_and_missed(made):
    run = made("link-corrupt")
    assert waiting(run)[1] == "the answer of map.0 to map.find"
    assert "damaged in bit" in firings(run)[0][1]
    assert firings(made("link-corrupt-retransmit"))[0][1].endswith("sent again once and 20000 ns late")


def test_a_second_acknowledgement_ends_the_next_shootdown_early(made):
    run = made("link-duplicate")
    assert {violation.check for violation in run.violations} == {"I-ONE-SHOOT", "I-TLB-DONE"}
    (fired,) = run.records(kind="fault.fired")
    assert min(violation.time_ns for violation in run.violations) >= fired.time_ns
    assert firings(made("link-duplicate-retransmit")) == [("double-ack", "ipi-ack from cpu.0 a second time, dropped by the link layer")]
    assert last_end(made("link-duplicate-retransmit")) == last_end(made("link-duplicate", faults=False))


def test_an_overtaken_write_is_made_without_its_lock(made):
    run = made("link-reorder")
    unguarded = {record.actor for record in run.records(kind="unguarded")}
    late = {record.actor for record in run.records(kind="fault.fired")}
    assert late == unguarded != set()
    assert "I-LOCKSET" in {violation.check for violation in run.violations}
    assert list(made("link-reorder-retransmit").records(kind="unguarded")) == []


def test_one_way_is_one_way(made):
    """The mute CPU hears the interrupt; that it has flushed is what nobody hears."""
    run = made("link-one-way")
    assert firings(run) == [("mute-cpu", "ipi-ack from cpu.1 cut off")]
    assert waiting(run)[0] == "acknowledgements of cpu.1"
    senders = {record.fields["what"].split()[2] for record in made("link-one-way-retransmit").records(kind="fault.fired")}
    assert senders == {"cpu.1"}


def test_a_partition_holds_what_crosses_it_until_it_is_over(made):
    run = made("link-partition-retransmit")
    times = [record.time_ns for record in run.records(kind="fault.fired")]
    assert min(times) >= 50_000, "from 20 us on for 30 us"
    assert made("link-partition").ended == "stuck"


def test_a_swarm_says_what_it_has_drawn(made):
    drawn = {}
    for seed in range(1, 9):
        run = made("swarm-links", seed=seed)
        names_here = [fault["name"] for fault in run.summary["faults"]]
        assert (run.ended, run.summary["violations_total"]) == ("finished", 0)
        assert set(names_here) == set(run.summary["faults_fired"])
        assert len(names_here) + len(run.summary["faults_left_out"]) == 6
        assert not set(names_here) & set(run.summary["faults_left_out"])
        drawn[seed] = run.summary["faults"]
    assert len({str(faults) for faults in drawn.values()}) == 8
    assert made("swarm-links", seed=3, workers=2).digest == made("swarm-links", seed=3).digest


def test_what_was_blocked_moves_after_the_heal(made):
    run = made("liveness-heals")
    assert run.summary["liveness"] == {"heal_ns": 3_000_000, "bound_ns": 2_000_000, "judged": True}
    late = [record for record in run.records(kind="fault.fired") if record.fields["fault"] in ("split", "late")]
    assert all(3_000_000 <= record.time_ns < 3_100_000 for record in late), "held back until the heal, and one timeout of the link"
    withheld = [record.fields for record in run.records(kind="free.withhold")]
    assert sum(fields["frames"] for fields in withheld) == 0, "withheld memory is back"
    assert 3_000_000 < last_end(run) < 6_000_000, "all four were declared for a second"


def test_what_never_moves_is_told_with_who_has_it(made):
    run = made("liveness-stuck")
    assert (run.ended, run.summary["virtual_ns"]) == ("stuck", 2 << 20)
    assert run.summary["why"] == (
        "1,000,000 ns after the faults had ended at 1,000,000 ns there still waits: "
        "thread 0 (task 0) for map.0 since 16,643 ns, which it was given and never heard of"
    )
    others = [record.time_ns for record in run.records(kind="task.step") if record.actor != "cpu.0"]
    assert max(others) > 1_400_000, "the others went on"
