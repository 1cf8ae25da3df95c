"""The parent of several worker processes: spawns them, introduces them to each other, listens, starts those anew that die, and leaves
nothing behind.

A worker that dies is replaced at once from the last cut that every living worker has on disk; the others need not be told, they wait for
whoever dials. So one death, two together, or one during the recovery from another are the same to the parent.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import anyio
from anyio.abc import ObjectReceiveStream, ObjectSendStream, TaskGroup

from cluster.engine.blames import Blames
from cluster.engine.child import EXIT_S, Child
from cluster.engine.control import Commit, Done, Failed, Peers, Progressed, Ready, Refused, Running, Said, Snapped, Start, Stop
from cluster.engine.restarts import Restart, Restarts
from cluster.engine.results import Beat, Progress, ShareResult, progress_of
from cluster.errors import RunError
from cluster.recording.cuts import Cut, CutKeeper

GRACE_S = 0.5
"""How long workers may take to stop before they are killed; with the rest of the cleaning up it stays below a second."""
ORDERLY_S = 10.0
"""The same after a run that has ended as it should: nobody is waiting, and on a busy machine an exit takes its time."""
BLAME_S = 0.3
"""How long to wait for the cause after a worker has only noticed that a peer is gone."""
LOOK_S = 0.25
"""How often the parent looks whether a worker stands still; one that does twice in a row is killed and started anew."""

PRIVATE = "private directory made"
"""News of the directory that holds the sockets: who finds the run dead removes it."""
Spoken = tuple[Child, Said | None]
"""(who, what it said, or None when its connection ended)."""
News = Callable[[str, dict[str, object]], None]
"""Told what the processes do, for the operational log: an event and its fields."""


class Crew(NamedTuple):
    """What a run over processes is made with.

    ``starts`` gives a worker its Start by (rank, token, directory); ``keeper`` holds the cuts (None: nobody is recovered, and the first
    death ends the run); ``restarts_max``: how often one place is tried again; ``begin``: window and virtual time from which the run
    starts; ``keep``: descriptors that workers inherit.
    """

    starts: Callable[[int, str, str], Start]
    workers: int
    on_beats: Callable[[list[Beat], float], None]
    keeper: CutKeeper | None = None
    restarts_max: int = 0
    news: News = lambda event, fields: None
    keep: tuple[int, ...] = ()
    begin: tuple[int, int] = (0, 0)


class Run:
    """A run over several processes, seen by the parent."""

    def __init__(self, crew: Crew, directory: str) -> None:
        self.crew = crew
        self.directory = directory
        self.token = secrets.token_hex(16)
        self.children: list[Child] = []
        self.restarts = Restarts(crew.restarts_max if crew.keeper is not None else 0, directory)
        self.ready: dict[int, str] = {}
        self.running: set[int] = set()
        self.beats: dict[int, Beat] = {}
        self.results: dict[int, ShareResult] = {}
        self.blames = Blames()
        self.started = 0.0

    async def go(self) -> None:
        """Listen to all workers until every share is done. Raises what the run failed of."""
        send, receive = anyio.create_memory_object_stream[Spoken](64)
        with send, receive:
            await self._listen_to_all(send, receive)
        if self.blames:
            raise self.blames.failure(lambda rank: self.children[rank].how_it_ended())

    async def _listen_to_all(self, send: ObjectSendStream[Spoken], receive: ObjectReceiveStream[Spoken]) -> None:
        failure: RunError | None = None
        async with anyio.create_task_group() as group:
            failure = self._spawn_all(group, send)
            group.start_soon(self._look_after)
            while len(self.results) < self.crew.workers and not self.blames and failure is None:
                child, said = await receive.receive()
                if said is None and self.crew.keeper is not None:
                    failure = self._replace(child, group, send)
                else:
                    self._hear(child, said)
            if self.blames:
                with anyio.move_on_after(BLAME_S):
                    while not self.blames.cause_known():
                        self._hear(*await receive.receive())
            group.cancel_scope.cancel()
        if failure is not None:
            raise failure

    # Births and deaths ----------------------------------------------------------------------------------------------------

    def _spawn_all(self, group: TaskGroup, send: ObjectSendStream[Spoken]) -> RunError | None:
        """All workers, or why not: an exception would leave the group as a group."""
        try:
            for rank in range(self.crew.workers):
                self._spawn(rank, 0, group, send)
        except RunError as error:
            return error
        return None

    def _spawn(self, rank: int, incarnation: int, group: TaskGroup, send: ObjectSendStream[Spoken], careful_until: int = -1) -> None:
        child = Child(rank, incarnation, self.crew.keep)
        self.children[rank : rank + 1] = [child]
        start = self.crew.starts(rank, self.token, self.directory)
        start.incarnation, start.careful_until = incarnation, careful_until
        cut = self.crew.keeper.latest if self.crew.keeper is not None else None
        if cut is not None:
            assert self.crew.keeper is not None
            start.own = self.crew.keeper.paths(cut)[rank]
        child.say(start)
        group.start_soon(child.listen, send)

    def _replace(self, child: Child, group: TaskGroup, send: ObjectSendStream[Spoken]) -> RunError | None:
        """Start a dead worker anew; the reason if that is given up."""
        rank, keeper = child.rank, self.crew.keeper
        if self.children[rank] is not child:
            return None
        assert keeper is not None
        how = child.how_it_ended()
        child.end()
        keeper.died(rank)
        for known in (self.ready, self.results):
            known.pop(rank, None)
        cut = keeper.latest
        try:
            start = (cut.window, cut.earliest_ns) if cut is not None else self.crew.begin
            careful_until = self.restarts.died(rank, how, start)
            self._spawn(rank, child.incarnation + 1, group, send, careful_until)
        except RunError as error:
            return error
        self.crew.news("worker started anew", {"what": self.restarts.made[-1].sentence()})
        return None

    async def _look_after(self) -> None:
        """Kill workers that stand still: their peers would wait for ever."""
        if self.crew.keeper is None:
            return
        still: set[int] = set()
        while True:
            await anyio.sleep(LOOK_S)
            now = {child.process.pid: child for child in self.children if child.stands_still()}
            for pid in sorted(still & now.keys()):
                now[pid].kill()
            still = set(now)

    # What workers say -----------------------------------------------------------------------------------------------------

    def _hear(self, child: Child, said: Said | None) -> None:
        rank = child.rank
        if said is None or isinstance(said, Failed):
            self.blames.add(rank, said)
        elif isinstance(said, Ready):
            child.say(Peers(dict(self.ready)))
            self.ready[rank] = said.address
        elif isinstance(said, Running):
            self.running.add(rank)
            if len(self.running) == self.crew.workers and not self.started:
                self.started = monotonic()
        elif isinstance(said, Progressed):
            self.beats[rank] = said.beat
            if rank == 0 or rank not in self.beats:
                self.crew.on_beats([self.beats[peer] for peer in sorted(self.beats)], monotonic() - self.started)
        elif isinstance(said, Snapped) and self.crew.keeper is not None:
            self._snapped(self.crew.keeper, said)
        elif isinstance(said, Refused):
            self.crew.news("stranger refused", {"worker": rank, "reason": said.sentence})
        elif isinstance(said, Done):
            self.results[rank] = said.result

    def _snapped(self, keeper: CutKeeper, said: Snapped) -> None:
        cut = keeper.snapped(said.part)
        if said.part.failed:
            self.crew.news("snapshot failed", {"reason": said.part.failed})
        if cut is not None:
            for child in self.children:
                child.say(Commit(cut.rounds))
            self.crew.news("cut committed", cut_facts(cut))


def cut_facts(cut: Cut) -> dict[str, object]:
    """A cut for the operational log."""
    cost_ns = max(part.cost_ns for part in cut.parts)
    size = sum(part.bytes for part in cut.parts)
    return {"window": cut.window, "virtual_ns": cut.earliest_ns, "bytes": size, "cost_ms": cost_ns // 1_000_000}


async def run_children(crew: Crew) -> tuple[list[ShareResult], list[Restart], float]:
    """Run processes as ``crew`` says. Results by rank, the restarts there were, and seconds of running.

    Raises RunError if a worker fails, or dies too often. Whatever ends it, no process, socket or file is left.
    """
    directory = _private_directory()
    crew.news(PRIVATE, {"path": directory})
    run = Run(crew, directory)
    over = False
    try:
        await run.go()
        wall_s = monotonic() - run.started
        over = True
        return [run.results[rank] for rank in range(crew.workers)], run.restarts.made, wall_s
    finally:
        with anyio.CancelScope(shield=True):
            await _stop(run.children, abandon=not over)
        shutil.rmtree(directory, ignore_errors=True)


async def _stop(children: list[Child], *, abandon: bool) -> None:
    """Ask all workers to stop, kill those that do not, and reap them."""
    for child in children:
        child.say(Stop(abandon))
    with anyio.move_on_after(GRACE_S if abandon else ORDERLY_S):
        for child in children:
            await child.hang_up()
    for child in children:
        child.end(EXIT_S if abandon else ORDERLY_S)


def _private_directory() -> str:
    """A directory that only this user can enter (0700), with a path short enough for a socket's name."""
    try:
        directory = tempfile.mkdtemp(prefix="shootdown-")
        if len(directory) > 80:
            Path(directory).rmdir()
            directory = tempfile.mkdtemp(prefix="shootdown-", dir="/tmp")
        return directory
    except OSError as error:
        raise RunError(f"no directory for sockets can be made: {error.strerror}", file=error.filename, found=str(error)) from error


def reporter(workers: int, on_progress: Callable[[Progress], None] | None) -> Callable[[list[Beat], float], None]:
    """Turns beats into progress once every worker has given one."""

    def report(beats: list[Beat], wall_s: float) -> None:
        if on_progress is not None and len(beats) == workers:
            on_progress(progress_of(beats, wall_s))

    return report
