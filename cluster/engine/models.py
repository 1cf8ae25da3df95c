"""The registry of models: from a plan's model to the actors a run starts with.

A model is built in full on every worker, which then keeps what lives with it. Sending actors about at the start was rejected: it needs a
directory and a message per actor, and building 80 CPUs and their homes takes milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from actors.actor import Actor
from cluster.errors import InputError
from cluster.plan import Model
from protocol.identity import cpu_name, root_of
from protocol.messages import MESSAGE_TYPES, Message
from protocol.workload import Workload


def _nothing_to_equip(actors: list[Actor]) -> None:
    """Most models' actors have no tables."""


@dataclass(frozen=True)
class Boot:
    """What a run starts with.

    ``domains``: home domain of every root actor. ``latency_ns``: by link, from and to domain. ``tasks_total``: how many tasks must report
    done (-1: the model knows no end of its own). ``kinds``: actor class by the first word of its names, for restoring. ``messages``:
    every message type that may travel. ``least_service_ns``: by kind, the least delay with which anything leaves an actor of that kind;
    kinds not named have 0. ``equip``: gives restored actors the constant tables that are not their state. ``near``: roots that had better
    live with another one.
    """

    actors: list[Actor]
    domains: dict[str, int]
    latency_ns: tuple[tuple[tuple[int, ...], ...], ...]
    tasks_total: int
    kinds: dict[str, type[Actor]]
    messages: tuple[type[Message], ...] = MESSAGE_TYPES
    equip: Callable[[list[Actor]], None] = _nothing_to_equip
    near: dict[str, str] = field(default_factory=dict)
    least_service_ns: dict[str, int] = field(default_factory=dict)

    def numbers(self) -> dict[str, int]:
        """Each boot actor's place, from 1, in the order of names."""
        return {name: number for number, name in enumerate(sorted(actor.name for actor in self.actors), start=1)}


Builder = Callable[[Model, Workload | None], Boot]


def build(model: Model, workload: Workload | None = None) -> Boot:
    """What a run of ``model`` starts with. Raises InputError for an unknown model or parameters it cannot have."""
    builder = BUILDERS.get(model.name)
    if builder is None:
        raise InputError(f"no model is called {model.name!r}", key="model.name", found=model.name, allowed=sorted(BUILDERS))
    return builder(model, workload)


@dataclass(frozen=True)
class Parameter:
    """A whole number that a model takes: default, least and greatest."""

    default: int
    least: int
    greatest: int


PHOLD_PARAMETERS = {
    "actors": Parameter(1024, 1, 1 << 20),
    "lookahead_ns": Parameter(1000, 1, 1 << 40),
    "mean_ns": Parameter(0, 0, 1 << 40),
    "remote_percent": Parameter(10, 0, 100),
    "note_every": Parameter(1, 0, 1 << 40),
    "domains": Parameter(1, 1, 1024),
}
"""``mean_ns`` 0 means: the lookahead. ``domains``: the actors are dealt to so many domains, in runs."""


def parameters(given: dict[str, int], table: dict[str, Parameter]) -> dict[str, int]:
    """The table's defaults with what was given. Raises InputError for an unknown name or a value out of range."""
    for name, value in given.items():
        if name not in table:
            raise InputError(
                f"model.parameters: unknown parameter {name!r}", key=f"model.parameters.{name}", found=name, allowed=sorted(table)
            )
        least, greatest = table[name].least, table[name].greatest
        if not least <= value <= greatest:
            allowed = f"{least} to {greatest}"
            raise InputError(
                f"model.parameters.{name} is {value}, not {allowed}", key=f"model.parameters.{name}", found=value, allowed=allowed
            )
    return {name: given.get(name, parameter.default) for name, parameter in table.items()}


def _phold(model: Model, workload: Workload | None) -> Boot:
    from actors.phold import Job, Kick, Phold

    given = parameters(model.parameters, PHOLD_PARAMETERS)
    count, lookahead_ns = given["actors"], given["lookahead_ns"]
    domains = min(given["domains"], count)
    actors: list[Actor] = [
        Phold(
            name=f"phold.{index}",
            actors=count,
            lookahead_ns=lookahead_ns,
            mean_ns=given["mean_ns"] or lookahead_ns,
            remote_percent=given["remote_percent"],
            note_every=given["note_every"],
        )
        for index in range(count)
    ]
    return Boot(
        actors=actors,
        domains={f"phold.{index}": index * domains // count for index in range(count)},
        latency_ns=(((lookahead_ns,) * domains,) * domains,) * 3,
        tasks_total=-1,
        kinds={"phold": Phold},
        messages=(Job, Kick),
    )


def _machine(model: Model, workload: Workload | None) -> Boot:
    """The modelled machine. Loaded only when meant: PHOLD workers need none of it."""
    machine = model.machine
    if machine is None:
        raise InputError("model 'machine' needs a machine", key="model.machine", found=None, allowed="a machine's constants")
    boot: Any = import_module("actors.machine").boot
    parts = boot(machine, model.kernel, workload, model.workload_options)
    return Boot(
        actors=parts.actors,
        domains={root_of(actor.name): machine.domain_of(actor.name) for actor in parts.actors},
        latency_ns=machine.latency_ns,
        tasks_total=parts.tasks_total,
        kinds=parts.kinds,
        equip=parts.equip,
        near=_near(workload, machine.cpus) if workload is not None else {},
        least_service_ns=parts.least_service_ns,
    )


def _near(workload: Workload, cpus: int) -> dict[str, str]:
    """The address spaces of the start live with the CPU on which their first task begins."""
    near: dict[str, str] = {}
    for task in workload.tasks:
        if task.parent < 0:
            first = task.steps[0].cpu if task.steps and task.steps[0].cpu >= 0 else task.cpu
            for kind in ("map", "pmap"):
                near.setdefault(f"{kind}.{task.space}", cpu_name(first % cpus))
    return near


BUILDERS: dict[str, Builder] = {"phold": _phold, "machine": _machine}
"""Models by name. A test may add one."""
