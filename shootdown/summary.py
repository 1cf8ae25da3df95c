"""What a run has to say for itself: the value of ``run --json``, stored as ``summary.json`` and held by :class:`shootdown.Run`.

One dictionary serves the three, so that a stored run answers what a fresh one does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cluster.engine.results import FoundViolation, Outcome
from cluster.faults.firings import why_silent
from cluster.inspect.tally import merged, metrics_of
from cluster.plan import Plan
from cluster.recording.manifest import Particulars, Violation
from cluster.scenario import Scenario
from cluster.scenario.expand import fault_expanded
from protocol.kernels import applicable
from protocol.workload import Workload

VIOLATIONS_SHOWN_MAX = 100
HOST_KEYS = ("task_switch", "remote_received", "local", "local_mm", "remote_attempts", "wrong_cpu", "call_function", "tlb_ipis")


def stored(violation: FoundViolation) -> Violation:
    """A violation as it is stored and printed."""
    time_ns, _, _, actor, sender, seq = violation.key
    return Violation(violation.check, time_ns, actor, f"{sender}:{seq}", violation.message)


def particulars(scenario: Scenario) -> Particulars:
    """What a summary will say of the scenario."""
    expect = scenario.expect
    return Particulars(
        scenario.title,
        scenario.kernel_preset,
        list(scenario.kernel_notes),
        list(expect.endings),
        sorted(expect.violations),
        [found.fault.name for found in scenario.declared],
    )


def summarise(about: Particulars, plan: Plan, workload: Workload, outcome: Outcome, run_dir: Path | None) -> dict[str, Any]:
    """The summary of a run that has ended."""
    machine = plan.model.machine
    assert machine is not None, "a run that is stored is one of the machine"
    tally = merged(recorded.tally for recorded in outcome.recorded)
    account = workload.account
    metrics = metrics_of(tally, machine.frames, account.faults)
    violations = [stored(violation) for violation in outcome.violations]
    summary: dict[str, Any] = {
        "scenario": plan.scenario,
        "title": about.title,
        "seed": plan.seed,
        "workers": plan.workers,
        "transport": plan.transport,
        "backend": plan.backend,
        "trace": plan.trace,
        "cpus": machine.cpus,
        "kernel": about.kernel_preset,
        "kernel_forms": applicable(plan.model.kernel, machine.pmap),
        "kernel_notes": about.kernel_notes,
        "ended": outcome.ended,
        "why": outcome.why,
        "events": outcome.events,
        "records": outcome.records,
        "virtual_ns": outcome.virtual_ns,
        "wall_s": round(outcome.wall_s, 6),
        "start_s": round(outcome.start_s, 6),
        "digest": outcome.digest,
        "run_dir": str(run_dir) if run_dir is not None else None,
        "violations": [_violation(violation) for violation in violations[:VIOLATIONS_SHOWN_MAX]],
        "violations_total": len(violations),
        "checks": {name: {"evaluated": looked, "violations": bad} for name, (looked, bad) in sorted(outcome.evaluated.items())},
        "not_exercised": sorted(name for name, (evaluated, _) in outcome.evaluated.items() if not evaluated),
        "workload": _workload(workload, tally.absorbed),
        "host": {key: workload.host.get(key) for key in HOST_KEYS},
        **_faults(about, plan, outcome),
        "waits": outcome.waits,
        "restarts": outcome.restarts,
        "shares": outcome.shares,
        "partition": outcome.partition,
        "metrics": metrics,
    }
    return summary | judged(about, plan, summary, sorted({violation.check for violation in violations}))


def _faults(about: Particulars, plan: Plan, outcome: Outcome) -> dict[str, Any]:
    """The faults of this run as its plan holds them (a swarm's expanded), how often each fired, and why some did not."""
    faults, fired = plan.model.faults, outcome.faults_fired
    here = {fault.name for fault in faults}
    silent = {
        fault.name: why_silent(fault, outcome.faults_matched.get(fault.name, 0), outcome.virtual_ns)
        for fault in faults
        if not fired.get(fault.name)
    }
    return {
        "faults": [fault_expanded(fault) for fault in faults],
        "faults_left_out": [name for name in about.declared if name not in here],
        "faults_fired": dict(sorted(fired.items())),
        "faults_silent": dict(sorted(silent.items())),
        "liveness": _liveness(plan, outcome),
    }


def _liveness(plan: Plan, outcome: Outcome) -> dict[str, Any] | None:
    """What was asked of the time after the faults, and whether the run lasted long enough to answer; None if nothing was asked."""
    liveness = plan.model.limits.liveness
    if not liveness:
        return None
    judged_ns = liveness.heal_ns + liveness.bound_ns
    return {"heal_ns": liveness.heal_ns, "bound_ns": liveness.bound_ns, "judged": outcome.virtual_ns >= judged_ns}


def _violation(violation: Violation) -> dict[str, Any]:
    return {name: getattr(violation, name) for name in violation.__struct_fields__}


def _workload(workload: Workload, absorbed: dict[str, int]) -> dict[str, Any]:
    account = workload.account
    return {
        "name": workload.name,
        "lines": account.lines,
        "replayed": account.replayed,
        "ignored": dict(sorted(account.ignored.items())),
        "absorbed": dict(sorted(absorbed.items())),
        "forks": {how: account.forks.get(how, 0) for how in ("fork", "vfork", "thread")},
        "execs": account.execs,
        "exits": account.exits,
        "mmaps": account.mmaps,
    }


def judged(about: Particulars, plan: Plan, summary: dict[str, Any], checks_violated: list[str]) -> dict[str, Any]:
    """``expected`` (what the scenario wanted), ``surprises`` (what came otherwise, in sentences) and the exit ``status`` that follows."""
    unexpected = [name for name in checks_violated if name not in about.violations]
    surprises = [f"{name} was violated, which the scenario does not expect" for name in unexpected]
    ended = summary["ended"]
    stopped = plan.stop_at_first and ended == "limit" and bool(checks_violated)
    if ended not in about.endings and not stopped:
        surprises.append(f"the run ended {ended}, expected was {' or '.join(about.endings)}")
    status = 0 if not surprises else 3 if ended == "limit" and not unexpected else 1
    return {
        "expected": {"ended": about.endings, "violations": about.violations},
        "surprises": surprises,
        "status": status,
    }
