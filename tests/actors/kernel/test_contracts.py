"""Every routine declares its locks, and one that does not keep what it has declared is found, once, wherever it is restored."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from actors.kernel.contracts import CONTRACTS, locks, recorded
from actors.kernel.lock_words import Call, Word
from actors.kernel.requests import Acquire, KernelPanic, Release, SleepOn
from actors.kernel.step import SCRIPTED
from actors.processor.cpu import Cpu
from actors.processor.told import Told
from cluster.engine.inproc import run_boot
from cluster.engine.models import build
from cluster.plan import Model
from protocol.kernels import kernel
from protocol.messages.free import FreeCounts
from protocol.messages.locks import TRY
from protocol.records import CONTRACT, PANIC
from protocol.workload import File, Kernel
from tests.actors.kernel.test_durable import Restorer, everything
from tests.actors.machine_kit import judged, machine, run, workload

ROOT = Path(__file__).resolve().parents[3]
FILES = (File("lib", 4), File("data", 4))
ONE, TWO = "object.1", "object.2"


def routines() -> dict[str, tuple[str, list[str]]]:
    """Routine to its docstring and its decorators."""
    found = {}
    for path in sorted((ROOT / "actors" / "kernel").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.AsyncFunctionDef):
                decorators = [ast.unparse(each).partition("(")[0] for each in node.decorator_list]
                found[f"{path.stem}.{node.name}"] = (ast.get_docstring(node) or "", decorators)
    return found


def test_whoever_says_in_words_which_locks_it_wants_has_declared_them():
    said = {name for name, (text, _) in routines().items() if "[L:" in text}
    declared = {name for name, (_, decorators) in routines().items() if {*decorators} & {"locks", "recorded", "nothing_held"}}
    assert len(said) == 157
    assert said - declared == set()


# Routines that do not keep what they have declared --------------------------------------------------------------------------------


@locks("obj", "pq")
async def wants(k: Any, obj: str) -> None:
    await k.call("fq", FreeCounts())


@locks("obj")
async def loses(k: Any, obj: str) -> None:
    await k.release(obj)


@locks()
async def keeps(k: Any) -> None:
    await k.acquire("pq")


@locks("obj")
async def exchanges(k: Any, obj: str, other: str) -> None:
    await k.release(obj)
    await k.acquire(other)


@locks("obj")
async def takes_again(k: Any, obj: str) -> None:
    await k.release(obj)
    await k.acquire(obj)


@locks("obj", takes=((True, ("pq",)),), drops=((False, ("obj",)),))
async def as_told(k: Any, obj: str, outcome: bool, acquire: str = "", release: str = "") -> bool:
    if release:
        await k.release(release)
    if acquire:
        await k.acquire(acquire, TRY)
    return outcome


@locks("obj")
async def panics(k: Any, obj: str) -> None:
    await k.release(obj)
    raise KernelPanic("no more")


@locks("obj")
async def calls(k: Any, obj: str) -> None:
    await wants(k, obj)
    await wants(k, obj)


@locks("obj")
async def around(k: Any, obj: str) -> None:
    await loses(k, obj)


@recorded("object", subject=0)
async def records(k: Any, obj: str) -> None:
    await k.enter("records", obj)
    await around(k, obj)
    await k.leave("records", "ok")


@recorded("object", subject=0)
async def enters(k: Any, obj: str) -> None:
    await k.enter("enters", obj)
    await k.leave("enters", "ok")


async def held(k: Any, first: tuple[str, ...], then: tuple[Any, ...], after: tuple[str, ...]) -> str:
    """Take locks, call a routine, give locks back."""
    for lock in first:
        await k.acquire(lock)
    routine, *arguments = then
    await ROUTINES[routine](k, *arguments)
    for lock in after:
        await k.release(lock)
    return "ok"


ROUTINES = {
    each.__name__: each for each in (wants, loses, keeps, exchanges, takes_again, as_told, panics, calls, around, records, enters)
}  # fmt: skip

WITHOUT = "{} entered without the lock of {}"
LEAVES = "{} leaves with {}, but it was to leave with {}"

BROKEN = {
    "wrong lock on entry": ((ONE,), ("wants", ONE), (ONE,), [WITHOUT.format("wants", "pq")]),
    "another object's lock on entry": ((TWO, "pq"), ("wants", ONE), (TWO, "pq"), [WITHOUT.format("wants", ONE)]),
    "no lock on entry": ((), ("wants", ONE), (), [WITHOUT.format("wants", f"{ONE}, pq")]),
    "a lock lost": ((ONE, "pq"), ("loses", ONE), ("pq",), [LEAVES.format("loses", "pq", f"{ONE}, pq")]),
    "a lock kept": ((ONE,), ("keeps",), ("pq", ONE), [LEAVES.format("keeps", f"{ONE}, pq", ONE)]),
    "a lock kept twice": (("pq",), ("keeps",), ("pq", "pq"), [LEAVES.format("keeps", "pq (depth 2)", "pq")]),
    "another object's lock": ((ONE,), ("exchanges", ONE, TWO), (TWO,), [LEAVES.format("exchanges", TWO, ONE)]),
    "not taken as told": ((ONE,), ("as_told", ONE, True), (ONE,), [LEAVES.format("as_told", ONE, f"{ONE}, pq")]),
    "not given back as told": ((ONE,), ("as_told", ONE, False), (ONE,), [LEAVES.format("as_told", ONE, "no lock")]),
    "said once by a caller": ((), ("calls", ONE), (), [WITHOUT.format("calls", ONE), *[WITHOUT.format("wants", "pq")] * 2]),
    "said once to those around": ((ONE,), ("around", ONE), (), [LEAVES.format("loses", "no lock", ONE)]),
    "said once to those who record": ((ONE,), ("records", ONE), (), [LEAVES.format("loses", "no lock", ONE)]),
    "another object's lock where it is recorded": ((TWO,), ("enters", ONE), (TWO,), [WITHOUT.format("enters", ONE)]),
}
KEPT = {
    "all held": ((ONE, "pq"), ("wants", ONE), (ONE, "pq")),
    "no object": (("pq",), ("wants", ""), ("pq",)),
    "given back and taken again": ((ONE,), ("takes_again", ONE), (ONE,)),
    "taken as told": ((ONE,), ("as_told", ONE, True, "pq"), (ONE, "pq")),
    "given back as told": ((ONE,), ("as_told", ONE, False, "", ONE), ()),
    "recorded": ((ONE,), ("enters", ONE), (ONE,)),
}


@pytest.fixture(autouse=True)
def scripted(monkeypatch):
    monkeypatch.setitem(SCRIPTED, "held", held)
    yield
    for name in ("records", "enters"):
        assert name in CONTRACTS


def done(*arguments: Any) -> Any:
    return run(workload([Kernel(routine="held", arguments=arguments)], files=FILES))


def said(run_done: Any) -> list[str]:
    """What I-LOCKRESTORE says, without the thread."""
    verdict = judged(run_done)
    assert verdict.counts["I-LOCKRESTORE"][0]
    return [each.message.partition(": ")[2] for each in verdict.violations if each.check == "I-LOCKRESTORE"]


@pytest.mark.parametrize("name", BROKEN)
def test_a_promise_that_is_not_kept_is_said_once(name):
    *arguments, expected = BROKEN[name]
    assert said(done(*arguments)) == expected


@pytest.mark.parametrize("name", KEPT)
def test_one_that_is_kept_leaves_no_record(name):
    made = done(*KEPT[name])
    assert made.records(CONTRACT) == []
    assert judged(made).names == set()


def test_who_panics_is_not_judged_at_its_end():
    made = done((ONE,), ("panics", ONE), ())
    assert [record[2] for record in made.records(PANIC)] == ["no more"]
    assert made.records(CONTRACT) == []


@pytest.mark.parametrize("name", BROKEN)
def test_restored_at_each_await_it_says_what_it_said(name, monkeypatch):
    *arguments, expected = BROKEN[name]
    boot = build(Model("machine", machine=machine(), kernel=kernel()), workload([Kernel(routine="held", arguments=arguments)], files=FILES))
    restorer, drive = Restorer(boot), Cpu._drive

    def driven(self, thread, answer, first=False):
        drive(self, thread, answer, first)
        if thread.started:
            restorer.check(self, thread)

    monkeypatch.setattr(Cpu, "_drive", driven)
    assert said(run_boot(boot, 1, until_ns=3_000_000)) == expected
    assert restorer.routines["step"]


# The words ------------------------------------------------------------------------------------------------------------------------


async def worded(k: Any, obj: str, f: Any, locked: bool = True) -> None: ...


@pytest.mark.parametrize("text", ["nothing", "object.field", "pq if unlocked", "f.", "pq unless ", "obj if C05"])
def test_a_word_that_means_nothing_is_refused_where_the_routine_is_defined(text):
    with pytest.raises(ValueError, match="worded: no lock is meant by"):
        Word(text, worded)


class Given:
    """A context of which the words ask a form."""

    map = "map.1"

    def form(self, change: str) -> str:
        return {"C05": "pq"}[change]


@pytest.mark.parametrize(
    ("text", "lock"),
    [
        ("obj", ONE), ("f.map", "map.1"), ("k.map", "map.1"), ("pq", "pq"), ("pq if locked", ""), ("pq unless locked", "pq"),
        ("obj if C05=pq", ONE), ("obj unless C05=pq", ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("named", [True, False])
def test_a_word_is_the_lock_it_means_in_a_call(text, lock, named):
    arguments, rest = ((ONE,), {"f": Given(), "locked": False}) if named else ((ONE, Given(), False), {})
    assert Call(worded, Given(), arguments, rest).lock(Word(text, worded)) == lock  # type: ignore[arg-type]


def test_what_is_not_given_is_what_it_is_without():
    assert Call(worded, Given(), (ONE, Given()), {}).lock(Word("pq if locked", worded)) == "pq"  # type: ignore[arg-type]


# Told after a restore ---------------------------------------------------------------------------------------------------------------


def test_what_a_routine_is_told_after_a_restore_is_what_its_thread_had(monkeypatch):
    """Whoever waits for a lock may have got it by then, and not have heard of it."""
    made: list[Told] = []

    class Kept(Told):
        def __init__(self, found: tuple[tuple[str, int], ...]) -> None:
            super().__init__(found)
            made.append(self)

    model = Model("machine", machine=machine(frames=130, idle_zero=True, pmap="i386"), kernel=kernel("freebsd-2006", pmap="i386"))
    boot = build(model, everything())
    restorer, drive = Restorer(boot), Cpu._drive
    compared = 0

    def driven(self, thread, answer, first=False):
        nonlocal compared
        drive(self, thread, answer, first)
        made.clear()
        if thread.started:
            restorer.check(self, thread)
        for told, mine in zip(made, [each for each in self.threads.values() if each.started], strict=bool(made)):
            pending = self.requests[mine.tid]
            if isinstance(pending, SleepOn | Release):
                told.hear(pending, None)  # what it asks has been done, and is answered later
            granted = {pending.lock} - set(told.since) if isinstance(pending, Acquire) else set()
            assert set(told.since) == {lock for lock, _ in told.held} == set(mine.since) - granted
            assert {lock: n for lock, n in told.depths.items() if n} == {lock: n for lock, n in mine.depths.items() if n}
            compared += bool(told.since)

    monkeypatch.setattr("actors.processor.cpu.Told", Kept)
    monkeypatch.setattr(Cpu, "_drive", driven)
    run_boot(boot, 1, until_ns=3_000_000, record=False)
    assert compared > 300
