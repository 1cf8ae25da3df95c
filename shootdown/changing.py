"""What can change at a fork: the forms of the kernel's changes, faults that are added, the limits, where the trace is cut.

What is asked for passes the very tables and choices that a scenario passes, over what the run has instead of over a file: so a change
brings along what it needs as in ``run``, and what cannot be is refused in the same words, at the option that asked for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
from pydantic import Field, ValidationError

from cluster.faults.instants import INSTANTS
from cluster.plan import Limits, Model, Plan
from cluster.scenario.faults_file import load_faults
from cluster.scenario.kernel_options import changes_named, kernel_notes, kernel_refusal
from cluster.scenario.machine_table import Table
from cluster.scenario.overrides import PLACE, apply_sets, parse_set
from cluster.scenario.refusal import Place, refusal_of, refuse
from cluster.scenario.tables import ChecksTable, LimitsTable, ScenarioTable
from protocol.kernels import Chosen, KernelError, change_called, choose

STRUCTURAL = {"C14": "its page-table pages are in an object or in none from the start"}
"""Changes that decide what the machine consists of, and why that cannot change under way."""
SETS = "limits.wait_ns, limits.virtual_ns, limits.events, limits.restarts, limits.memory_waits, checks.stop_at_first"
FIXED = "that cannot change while a run is under way"


class StopTable(Table):
    """``[checks]``, as far as it can change."""

    stop_at_first: Annotated[bool, Field(strict=True)]


class ChangeableTable(Table):
    """What ``--set`` can change of a run that is under way."""

    limits: LimitsTable
    checks: StopTable


class Changed(NamedTuple):
    """What a fork goes on with. ``notes``: what is to be said of the choice of forms."""

    model: Model
    stop_at_first: bool
    notes: tuple[str, ...]


def changed(plan: Plan, revert: Sequence[str], apply: Sequence[str], sets: Sequence[str]) -> Changed:
    """The run's model with what is asked for. Raises InputError for what is unknown, or cannot change while a run is under way."""
    asked = [(f"revert[{index}]", name) for index, name in enumerate(changes_named("--revert", revert))]
    asked += [(f"apply[{index}]", name) for index, name in enumerate(changes_named("--apply", apply))]
    table = _table(plan, sets)
    limits = Limits(**table.limits.model_dump(), liveness=plan.model.limits.liveness)
    model = msgspec.structs.replace(plan.model, limits=limits)
    if not asked:
        return Changed(model, table.checks.stop_at_first, ())
    chosen = _chosen(plan.model, asked)
    kernel = dict(sorted(chosen.forms.items()))
    return Changed(msgspec.structs.replace(model, kernel=kernel), table.checks.stop_at_first, _notes(plan.model, chosen))


def with_faults(model: Model, path: str | Path, at_ns: int) -> Model:
    """The model with the faults of a file behind its own. Raises InputError for a name that is taken, and an instant that is past."""
    assert model.machine is not None
    added = load_faults(path, model.machine)
    names = {fault.name for fault in model.faults}
    for index, fault in enumerate(added):
        if fault.name in names:
            raise refuse(str(path), f"faults[{index}].name", fault.name, "a name that no fault of the run has")
        if fault.kind in INSTANTS and fault.at_ns < at_ns:
            why = f"{fault.name} is before the fork at {at_ns} ns"
            raise refuse(str(path), f"faults[{index}].at_ns", fault.at_ns, f"{at_ns} or later", why=why)
    return msgspec.structs.replace(model, faults=model.faults + added)


def _chosen(model: Model, asked: Sequence[tuple[str, str]]) -> Chosen:
    """The run's own kernel with the changes put back and on, each refused at the option that named it."""
    assert model.machine is not None
    place = Place("fork", given={f"kernel.{key}": f"--{key.partition('[')[0]}" for key, _ in asked})
    revert, apply = ([name for key, name in asked if key.startswith(word)] for word in ("revert", "apply"))
    try:
        chosen = choose(model.kernel, revert, apply, pmap=model.machine.pmap)
    except KernelError as error:
        raise kernel_refusal(error, asked, place) from None
    for fixed, why in STRUCTURAL.items():
        if chosen.forms[fixed] != model.kernel[fixed]:
            key, name = _who_asked(fixed, asked, chosen)
            raise place.refuse(f"kernel.{key}", name, "any other change", f"{fixed} cannot change while a run is under way: {why}")
    return chosen


def _who_asked(fixed: str, asked: Sequence[tuple[str, str]], chosen: Chosen) -> tuple[str, str]:
    """The key and name by which a change was asked for, or that brought it along."""
    ids = [change_called(name).id for _, name in asked]
    wanted = fixed if fixed in ids else next(one for one in ids if f" {one}: " in chosen.brought[fixed])
    return asked[ids.index(wanted)]


def _notes(model: Model, chosen: Chosen) -> tuple[str, ...]:
    """What is new in what a run says of its kernel."""
    assert model.machine is not None
    known = choose(model.kernel, pmap=model.machine.pmap).remarks
    return tuple(note for note in kernel_notes(chosen) if note not in known)


def _table(plan: Plan, sets: Sequence[str]) -> ChangeableTable:
    limits: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(plan.model.limits, liveness=msgspec.UNSET))
    raw = {"limits": limits, "checks": {"stop_at_first": plan.stop_at_first}}
    for text in sets:
        _refuse_fixed(parse_set(text)[0])
    place = Place("fork", given=apply_sets(raw, sets))
    try:
        return ChangeableTable.model_validate(raw)
    except ValidationError as error:
        raise refusal_of(error, ChangeableTable, place) from None


def _refuse_fixed(key: str) -> None:
    """Raises InputError for a key that scenarios have and forks do not; one that nothing has is left to the table."""
    table, _, rest = key.replace("[", ".").partition(".")
    if table in ChangeableTable.model_fields:
        fixed = table == "checks" and rest.partition(".")[0] in set(ChecksTable.model_fields) - set(StopTable.model_fields)
    else:
        fixed = table in ScenarioTable.model_fields
    if fixed:
        raise refuse(PLACE, key, key, SETS, why=FIXED)
