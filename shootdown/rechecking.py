"""The checks over a stored run: the same objects as online, fed from the merged file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cluster.errors import InputError
from cluster.recording.manifest import Violation
from protocol.event import SLICE_BITS
from shootdown.result import Run, open_run


def recheck(run: Run | str | Path, checks: Sequence[str] = ()) -> dict[str, Any]:
    """``{run, checks, violations, violations_total, losses, checked_until_ns}`` of the checks named (all if none) over a run's trace.

    What follows on a loss is not judged, since every check needs all that came before: ``checked_until_ns`` says where that is (None: the
    whole run was judged). Raises InputError if the run kept no trace or a check does not exist.
    """
    from actors.machine import contracts
    from protocol.checks.suite import Suite

    run = run if isinstance(run, Run) else open_run(run)
    stored = run.stored
    stored.need_trace()
    model = stored.manifest.plan.model
    if model.machine is None:
        raise InputError(f"{run.path}: a run of the model {model.name} has nothing to check", file=str(run.path), found=model.name)
    try:
        suite = Suite(checks, model.machine, model.kernel, contracts=contracts(), faults=model.faults)
    except KeyError as error:
        raise InputError(str(error.args[0]), key="checks", found=list(checks)) from None
    found = []
    for entries in stored.trace.complete_entries():
        found += suite.step(entries)
    if stored.trace.whole:
        found += suite.finish(stored.manifest.virtual_ns, stored.manifest.ended or "interrupted")
    found.sort(key=lambda violation: violation.rank)
    violations = [Violation(v.check, v.time_ns, v.actor, f"{v.event[0]}:{v.event[1]}", v.message) for v in found]
    return {
        "run": str(run.path),
        "checks": {name: {"evaluated": count, "violations": bad} for name, (count, bad) in sorted(suite.evaluated().items())},
        "violations": [{name: getattr(v, name) for name in v.__struct_fields__} for v in violations[:100]],
        "violations_total": len(violations),
        "losses": stored.losses,
        "checked_until_ns": None if stored.trace.complete_before is None else stored.trace.complete_before << SLICE_BITS,
    }
