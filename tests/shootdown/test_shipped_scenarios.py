"""Every shipped scenario, the long ones shortened, ends as it says it does and shows what it is for."""

from __future__ import annotations

import pytest

import shootdown as sd
from cluster.scenario.places import names
from tests.shootdown.test_machine_faults import SHOWS as MACHINE_FAULTS

SHORTER = {
    "demo": ["workload.lines_max=4000"],
    "scarce": ["workload.lines_max=1500", "machine.frames=600"],
    "memory-pressure": ["workload.parameters.touches=64", "workload.parameters.tasks=2", "machine.frames=700"],
    "fault-storm": ["workload.parameters.rounds=1"],
}
SHOWS = {
    "demo": ["faults.cow", "faults.hard"],
    "domains-64": ["lock.vm_page_queue.contended", "lock.vm_page_queue_free.spin_ns"],
    "fault-storm": ["faults.zero_fill", "lock.vm_page_queue.contended"],
    "file-read": ["faults.hard"],
    "fork-cow": ["faults.cow", "collapses"],
    "kernel-mix": ["faults.cow", "pageouts", "vm_waits", "lock.vm_page_queue.contended"],
    "link-corrupt": ["lock.vm_map.contended"],
    "link-corrupt-retransmit": ["tlb.shootdowns_remote"],
    "link-duplicate": ["tlb.shootdowns_remote"],
    "link-duplicate-retransmit": ["tlb.shootdowns_remote"],
    "link-lose": ["lock.vm_map.contended"],
    "link-lose-retransmit": ["tlb.shootdowns_remote"],
    "link-one-way": ["ipi.sent"],
    "link-one-way-retransmit": ["tlb.shootdowns_remote"],
    "link-partition": ["lock.vm_map.contended"],
    "link-partition-retransmit": ["tlb.shootdowns_remote"],
    "link-reorder": ["faults.zero_fill"],
    "link-reorder-retransmit": ["faults.zero_fill"],
    "liveness-heals": ["faults.cow", "collapses"],
    "liveness-stuck": ["faults.cow"],
    "lost-ipi": ["ipi.sent"],
    "map-churn": ["tlb.shootdowns_remote", "lock.vm_map.contended"],
    "memory-pressure": ["pageouts", "vm_waits", "lock.vm_page_queue.contended"],
    "pager-error": ["faults.hard"],
    "scarce-fault-storm": ["pageouts", "vm_waits", "lock.vm_page_queue.contended"],
    "scarce-file-read": ["pageouts", "vm_waits", "faults.hard"],
    "scarce-fork-cow": ["pageouts", "vm_waits", "faults.cow"],
    "scarce-map-churn": ["pageouts", "vm_waits", "tlb.shootdowns_remote"],
    "scarce-memory-pressure": ["pageouts", "vm_waits", "faults.hard"],
    "swarm-links": ["tlb.shootdowns_remote"],
    "scarce": ["pageouts", "faults.hard", "vm_waits", "lock.vm_page_queue.contended"],
}


def test_every_scenario_is_here():
    """Those of the machine's faults show what they are for in ``test_machine_faults``."""
    assert set(SHOWS) | set(MACHINE_FAULTS) == set(names("scenarios"))


@pytest.mark.parametrize("name", sorted(SHOWS))
def test_it_ends_as_expected_and_shows_what_it_is_for(name, tmp_path):
    run = sd.run(sd.load(name, SHORTER.get(name, [])), out=tmp_path / "run", trace=False)
    assert run.summary["surprises"] == []
    assert [metric for metric in SHOWS[name] if not run.metrics[metric]] == []
    if name != "demo":
        assert all(run.summary["faults_fired"].values()), "the fault a scenario is about fires"
