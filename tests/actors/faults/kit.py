"""A fault in one actor on a fake port, with a trigger that a test can read."""

from __future__ import annotations

from actors.actor import Actor
from actors.faults.registry import PARTS
from actors.home import Home
from actors.machine import boot
from actors.processor.cpu import Cpu
from actors.processor.thread import CURRENT, Thread
from protocol.faults import Fault
from protocol.kernels import kernel
from tests.actors.fake_port import Bench, FakePort
from tests.actors.machine_kit import machine, workload


class Trigger:
    """Its turn are the occasions called ``turns`` (counted from 1); ``said`` is what has been put on record."""

    def __init__(self, *turns: int) -> None:
        self.turns, self.occasions, self.said = turns or (1,), 0, []

    def turn(self) -> bool:
        self.occasions += 1
        return self.occasions in self.turns

    def fired(self, what: str) -> None:
        self.said.append(what)


def fit(actor: Actor, table: dict, fault: Fault, *turns: int) -> Trigger:
    assert PARTS[fault.kind].concerns(actor, fault)
    trigger = Trigger(*turns)
    PARTS[fault.kind].fit(actor, table, fault, trigger)
    return trigger


class Lone:
    """CPU 0 of two, with thread 7 on it, on a fake port."""

    def __init__(self, *faults: Fault, turns: tuple[int, ...] = (1,), **of: object) -> None:
        made = boot(machine(**of), kernel(), workload([]), {}).actors[0]
        assert isinstance(made, Cpu)
        self.cpu, self.port = made, FakePort()
        self.table = self.cpu.bind(self.port)
        self.thread = self.cpu.threads[7] = Thread(7, 7, state=CURRENT, pmap="pmap.0")
        self.cpu.current, self.cpu.loaded = 7, "pmap.0"
        self.port.clock.now = 0
        self.triggers = [fit(self.cpu, self.table, fault, *turns) for fault in faults]

    def give(self, message, sender="cpu.1"):
        self.table[type(message)](message, sender)

    def at(self, now_ns):
        self.port.clock.now = now_ns

    @property
    def kinds(self):
        return [record[0] for record in self.port.records]


class Afflicted(Bench):
    """A home with a fault, asked by CPUs."""

    def __init__(self, home: Home, fault: Fault, *turns: int) -> None:
        super().__init__(home)
        self.trigger = fit(home, self.handlers, fault, *turns)
