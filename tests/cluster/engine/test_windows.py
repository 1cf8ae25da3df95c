"""One digest however many workers: windows between engines of one process, and how a run ends."""

from typing import ClassVar

import anyio
import pytest

from actors.actor import Actor, Report
from actors.phold import Job, Kick, Phold
from cluster.engine import models
from cluster.engine.clock import NEVER
from cluster.engine.ending import FINISHED, LIMIT, PANIC, STUCK, Status, decide
from cluster.engine.models import Boot
from cluster.engine.share import Share
from cluster.engine.supervise import run_plan
from cluster.engine.transport_local import AloneTransport, Hub
from cluster.errors import InputError, RunError
from cluster.plan import Limits, Model, Plan
from protocol.event import SLICE_NS
from protocol.messages import Message

pytestmark = pytest.mark.anyio


def plan(workers=1, seed=7, lookahead_ns=20_000, limits=Limits(virtual_ns=3_000_000), **rest):  # noqa: B008 - a frozen value
    parameters = {"actors": 24, "lookahead_ns": lookahead_ns, "remote_percent": 30, "domains": 6}
    return Plan(Model("phold", parameters=parameters, limits=limits), seed, "phold", workers=workers, **rest)


async def test_the_digest_is_the_same_for_any_number_of_workers():
    alone = await run_plan(plan())
    assert alone.ended == LIMIT
    assert alone.virtual_ns == 3_000_000
    assert alone.records == alone.events > 1000
    for workers in (2, 3, 4, 6, 24):
        several = await run_plan(plan(workers))
        assert (several.digest, several.events, several.virtual_ns) == (alone.digest, alone.events, alone.virtual_ns)
        assert len(several.shares) == workers


async def test_while_only_one_worker_works_no_windows_are_needed(monkeypatch):
    def build(model, workload):
        gaps = {"phold.0": 1000, "phold.1": 1 << 40}
        actors = [Phold(name=name, actors=2, lookahead_ns=gap, mean_ns=1, remote_percent=0) for name, gap in gaps.items()]
        return Boot(actors, dict.fromkeys(gaps, 0), (((1000,),),) * 3, -1, {"phold": Phold}, (Kick,))

    monkeypatch.setitem(models.BUILDERS, "lone", build)
    made = await run_plan(Plan(Model("lone", limits=Limits(virtual_ns=3 * SLICE_NS)), 7, "lone", workers=2))
    assert made.events > 3000
    assert [share["windows"] for share in made.shares] == [4, 4]


class Caller(Actor, kw_only=True):
    """Ticks by itself every 100 ns; every tenth tick asks the other, who does nothing but answer."""

    handlers: ClassVar[dict[type[Message], str]] = {Kick: "tick", Job: "answer"}
    other: str
    ticks: bool

    def begin(self) -> None:
        if self.ticks:
            self.port.timer(Kick(0), 100)

    def tick(self, message: Kick, sender: str) -> None:
        if message.hops % 10 == 0:
            self.port.send(self.other, Job(message.hops))
        self.port.timer(Kick(message.hops + 1), 100)

    def answer(self, message: Job, sender: str) -> None:
        if not self.ticks:
            self.port.send(sender, message)


async def test_nobody_runs_past_the_first_possible_answer(monkeypatch):
    def build(model, workload):
        actors = [Caller(name="call.0", other="call.1", ticks=True), Caller(name="call.1", other="call.0", ticks=False)]
        return Boot(actors, {"call.0": 0, "call.1": 0}, (((330,),),) * 3, -1, {"call": Caller}, (Job, Kick))

    monkeypatch.setitem(models.BUILDERS, "call", build)
    limits = Limits(virtual_ns=300_000)
    made = [await run_plan(Plan(Model("call", limits=limits), 1, "call", workers=workers)) for workers in (1, 2)]
    assert made[0].digest == made[1].digest
    assert made[1].shares[1]["events_sent"] == 300


async def test_another_seed_gives_other_chains():
    one, other = await run_plan(plan()), await run_plan(plan(seed=8))
    chains = [{name: chain for part in made.recorded for name, chain in part.chains.items()} for made in (one, other)]
    assert chains[0].keys() == chains[1].keys()
    assert all(chains[0][name] != chains[1][name] for name in chains[0])


async def test_a_limit_that_is_no_slice_edge_ends_exactly_there():
    limits = Limits(virtual_ns=SLICE_NS + 777)
    outcomes = [await run_plan(plan(workers, limits=limits)) for workers in (1, 3)]
    inline = models.build(plan().model)
    assert len({made.digest for made in outcomes}) == 1
    assert len({made.events for made in outcomes}) == 1
    from cluster.engine.inproc import run_boot

    assert outcomes[0].events == run_boot(inline, 7, until_ns=SLICE_NS + 777).engine.events


async def test_an_events_limit_ends_at_a_slices_edge():
    outcomes = [await run_plan(plan(workers, limits=Limits(events=1500))) for workers in (1, 2)]
    assert outcomes[0].ended == LIMIT
    assert outcomes[0].virtual_ns % SLICE_NS == 0
    assert outcomes[0].events >= 1500
    assert outcomes[0].digest == outcomes[1].digest


async def test_bare_runs_do_the_same_and_record_nothing():
    bare, whole = await run_plan(plan(2), bare=True), await run_plan(plan(2))
    assert (bare.digest, bare.records, bare.recorded) == ("", 0, [])
    assert bare.events == whole.events


async def test_progress_and_shares_are_reported(monkeypatch):
    monkeypatch.setattr("cluster.engine.supervise.PROGRESS_NS", 0)
    monkeypatch.setattr("cluster.engine.windows.CHECKPOINT_NS", 0)
    seen = []
    made = await run_plan(plan(2), on_progress=seen.append)
    assert seen
    assert [step.events for step in seen] == sorted(step.events for step in seen)
    assert made.digest == (await run_plan(plan())).digest
    report = made.shares[1]
    assert sum(report[f"{share}_percent"] for share in ("busy", "waiting", "exchanging", "recording")) == pytest.approx(100, abs=0.5)
    assert made.partition["lookahead_ns"] == 20_000


async def test_a_run_can_be_cancelled_while_it_computes():
    with anyio.move_on_after(0.2) as scope:
        await run_plan(plan(limits=Limits()))
    assert scope.cancelled_caught


@pytest.mark.parametrize("workers", [0, 25])
async def test_impossible_worker_counts_are_refused(workers):
    with pytest.raises(InputError, match="workers"):
        await run_plan(plan(workers))


async def test_a_wrong_lookahead_is_noticed():
    hub = Hub(2)
    shares = [Share(plan(2), rank, transport) for rank, transport in enumerate(hub.transports())]
    for share in shares:
        share.loop.lookahead_ns = 200_000

    async def all_of_them():
        async with anyio.create_task_group() as group:
            for share in shares:
                group.start_soon(share.run)

    with pytest.raises(ExceptionGroup) as caught:
        await all_of_them()
    failure = caught.value.exceptions[0]
    assert isinstance(failure, RunError)
    assert "ns had been reached" in str(failure)


# How runs end ----------------------------------------------------------------------------------------------------------------


class Worker(Actor, kw_only=True):
    """Works off ``jobs`` ticks 0.5 ms apart, then is done; may wait, or panic."""

    reports: ClassVar[bool] = True
    handlers: ClassVar[dict[type[Message], str]] = {Kick: "work"}
    jobs: int = 3
    handled: int = 0
    waiting_ns: int = -1
    panic: str = ""
    starving: int = 0
    ticks_for_ever: bool = False

    def begin(self) -> None:
        self.port.timer(Kick(0), 500_000)

    def work(self, message: Kick, sender: str) -> None:
        self.handled += 1
        if self.handled < self.jobs or self.ticks_for_ever:
            self.port.timer(Kick(0), 500_000)

    def report(self):
        panic = self.panic if self.handled >= self.jobs else ""
        return Report(int(self.handled >= self.jobs and self.waiting_ns < 0), self.waiting_ns, panic, self.starving, 7)

    def final(self):
        return {"handled": self.handled}

    def waits(self):
        return [[self.name, "object.1", self.waiting_ns]] if self.waiting_ns >= 0 else []


def working(**options):
    def build(model, workload):
        actors: list[Actor] = [Worker(name=f"phold.{n}", jobs=3 + n, **(options if n == 2 else {})) for n in range(4)]
        return Boot(actors, {actor.name: 0 for actor in actors}, (((1000,),),) * 3, 4, {"phold": Worker}, (Kick,))

    return build


async def ends(monkeypatch, limits=Limits(wait_ns=5_000_000), **options):  # noqa: B008 - a frozen value
    monkeypatch.setitem(models.BUILDERS, "work", working(**options))
    made = [await run_plan(Plan(Model("work", limits=limits), 1, "work", workers=workers)) for workers in (1, 2)]
    assert made[0].digest == made[1].digest
    assert (made[0].ended, made[0].why, made[0].virtual_ns, made[0].waits) == (
        made[1].ended,
        made[1].why,
        made[1].virtual_ns,
        made[1].waits,
    )
    return made[0]


async def test_finished_when_all_tasks_are_done(monkeypatch):
    made = await ends(monkeypatch)
    assert (made.ended, made.virtual_ns) == (FINISHED, 3 * SLICE_NS)
    assert made.finals == {f"phold.{n}": {"handled": 3 + n} for n in range(4)}


async def test_finished_although_timers_go_on(monkeypatch):
    assert (await ends(monkeypatch, ticks_for_ever=True)).ended == FINISHED


async def test_stuck_when_nothing_is_pending(monkeypatch):
    made = await ends(monkeypatch, waiting_ns=100)
    assert (made.ended, made.waits) == (STUCK, [["phold.2", "object.1", 100]])
    assert "1 tasks are not done" in made.why


async def test_stuck_when_a_wait_is_too_long_and_only_timers_tick(monkeypatch):
    made = await ends(monkeypatch, waiting_ns=100, ticks_for_ever=True)
    assert (made.ended, made.virtual_ns) == (STUCK, 5 * SLICE_NS)
    assert "longer than 5000000 ns" in made.why


async def test_stuck_when_a_thread_waits_for_memory_again_and_again(monkeypatch):
    limits = Limits(memory_waits=10)
    made = await ends(monkeypatch, limits, starving=10, waiting_ns=100, ticks_for_ever=True)
    assert (made.ended, made.why) == (STUCK, "thread 7 has waited for memory 10 times in one routine and never got any")
    unlimited = Limits(memory_waits=0, wait_ns=5_000_000)
    assert "longer than" in (await ends(monkeypatch, unlimited, starving=10, waiting_ns=100, ticks_for_ever=True)).why


async def test_a_panic_goes_before_all(monkeypatch):
    made = await ends(monkeypatch, panic="vm_page_free: freeing busy page", ticks_for_ever=True)
    assert (made.ended, made.why) == (PANIC, "phold.2: vm_page_free: freeing busy page")


def test_the_least_violating_key_cuts_and_ends():
    cut = (5, 1, 0, "pq", "cpu.0", 9)
    ending = decide([Status(0, -1, [], 10)], 2000, 1000, Limits(), 4, cut)
    assert ending is not None
    assert (ending.ended, ending.at_ns, ending.cut) == (LIMIT, 5, cut)


def test_a_model_without_tasks_finishes_when_nothing_is_pending():
    ending = decide([Status(0, -1, [], 10)], NEVER, 1000, Limits(), -1)
    assert ending is not None
    assert ending.ended == FINISHED


class CutAt:
    """Checks that find one violation, at a given key, on one shard."""

    active = True

    def __init__(self, key, mine):
        self.key, self.mine, self.seen = key, mine, False

    def route(self, entries, shards):
        return [b"x"] * shards

    def feed_local(self, entries):
        self.seen = any(entry[0][:6] == self.key for entry in entries)

    def feed(self, parts):
        assert parts == [b"x"] * len(parts)

    def derived(self):
        return b"fact"

    def feed_global(self, parts):
        assert parts == [b"fact"] * len(parts)

    def first_violation(self):
        return self.key if self.mine else None

    def finish(self, ended, at_ns):
        raise AssertionError("a run that was cut has no rest to evaluate")

    def found(self):
        return []

    def evaluated(self):
        return {}


async def test_stop_at_first_drops_what_lies_above_the_key_on_all_workers():
    from cluster.engine.inproc import run_inline

    entries = run_inline(plan().model, 7, until_ns=SLICE_NS).entries
    key = entries[100][0][:6]
    counts = []
    for workers in (1, 3):
        transports = [AloneTransport()] if workers == 1 else Hub(workers).transports()
        shares = [Share(plan(workers, stop_at_first=True), rank, transport) for rank, transport in enumerate(transports)]
        results = []
        async with anyio.create_task_group() as group:
            for share in shares:
                share.checks = share.loop.checks = CutAt(key, share.rank == workers - 1)

                async def run(share=share, results=results):
                    results.append(await share.run())

                group.start_soon(run)
        assert {result.ending.cut for result in results} == {key}
        counts.append(sum(result.recorded.events for result in results))
    assert counts == [101, 101]
