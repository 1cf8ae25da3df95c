"""The parent of several worker processes: spawns them, introduces them to each other, listens, and leaves nothing behind.

The control connection is a socket pair made before the spawn, so no name exists that a stranger could dial, and its end is the news of a
death. Watching process identifiers instead was rejected: they are reused, and a thread per child is needed on asyncio.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import anyio
from anyio.abc import ObjectReceiveStream, ObjectSendStream

from cluster.engine import control
from cluster.engine.control import Done, Failed, Peers, Progressed, Ready, Running, Said, Start, Stop, failed
from cluster.engine.frames import CONTROL
from cluster.engine.results import Beat, Progress, ShareResult, progress_of
from cluster.engine.transport_socket import Link, PeerGoneError
from cluster.errors import RunError, ShootdownError

ROOT = Path(__file__).resolve().parents[2]
"""Where the packages stand: workers import them from here whatever the current directory is."""
GRACE_S = 0.5
"""How long workers may take to stop before they are killed; with the rest of the cleaning up it stays below a second."""
EXIT_S = 0.1
"""How long a worker's interpreter may take to end after it has closed its connection."""
ORDERLY_S = 10.0
"""Both of these after a run that has ended as it should: nobody is waiting, and on a busy machine an exit takes its time."""
BLAME_S = 0.3
"""How long to wait for the cause after a worker has only noticed that a peer is gone."""

Spoken = tuple[int, Said | None]
"""(rank, what it said, or None when its connection ended)."""


class Child:
    """One worker process and the parent's end of its control connection."""

    def __init__(self, rank: int) -> None:
        own, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])}
        command = [sys.executable, "-P", "-m", "cluster.engine.worker", str(other.fileno())]
        try:
            self.process = subprocess.Popen(
                command, env=environment, pass_fds=(other.fileno(),), stdin=subprocess.DEVNULL, start_new_session=True
            )
        except OSError as error:
            own.close()
            raise RunError(f"worker {rank} cannot be started: {error.strerror}", key=f"worker {rank}", found=str(error)) from error
        finally:
            other.close()
        self.rank = rank
        self.link = Link(own, f"worker {rank}")

    def say(self, said: Said) -> None:
        """Tell the worker. One that is gone is noticed by who listens to it."""
        try:
            self.link.send(CONTROL, control.encode(said))
        except PeerGoneError:
            return

    async def listen(self, stream: ObjectSendStream[Spoken]) -> None:
        """Pass on what the worker says until its connection ends."""
        try:
            while True:
                _, body = await self.link.next()
                await stream.send((self.rank, control.decode(body, f"worker {self.rank}")))
        except PeerGoneError:
            await stream.send((self.rank, None))
        except ShootdownError as error:
            await stream.send((self.rank, failed(error, peer=False)))

    async def hang_up(self) -> None:
        """Wait until the worker has closed its end, whatever else it says."""
        try:
            while True:
                await self.link.next()
        except ShootdownError:
            return

    def how_it_ended(self) -> str:
        """In words, for a process whose connection has ended."""
        try:
            status = self.process.wait(timeout=BLAME_S)
        except subprocess.TimeoutExpired:
            return "closed its control connection"
        return f"was killed by signal {-status}" if status < 0 else f"exited with status {status}"


class Run:
    """A run over several processes, seen by the parent."""

    def __init__(self, children: list[Child], on_beats: Callable[[list[Beat], float], None]) -> None:
        self.children = children
        self.on_beats = on_beats
        self.addresses: dict[int, str] = {}
        self.running: set[int] = set()
        self.beats: dict[int, Beat] = {}
        self.results: dict[int, ShareResult] = {}
        self.blames: dict[int, Failed | None] = {}
        self.started = 0.0

    async def go(self) -> None:
        """Listen to all workers until every share is done. Raises what the run failed of."""
        send, receive = anyio.create_memory_object_stream[Spoken](64)
        with send, receive:
            await self._listen_to_all(send, receive)
        if self.blames:
            raise self._failure()

    async def _listen_to_all(self, send: ObjectSendStream[Spoken], receive: ObjectReceiveStream[Spoken]) -> None:
        async with anyio.create_task_group() as group:
            for child in self.children:
                group.start_soon(child.listen, send)
            while len(self.results) < len(self.children) and not self.blames:
                self._hear(*await receive.receive())
            if self.blames:
                with anyio.move_on_after(BLAME_S):
                    while not self._cause_known():
                        self._hear(*await receive.receive())
            group.cancel_scope.cancel()

    def _hear(self, rank: int, said: Said | None) -> None:
        if said is None or isinstance(said, Failed):
            self.blames.setdefault(rank, said)
        elif isinstance(said, Ready):
            self.addresses[rank] = said.address
            if len(self.addresses) == len(self.children):
                for child in self.children:
                    child.say(Peers([self.addresses[peer] for peer in range(len(self.children))]))
        elif isinstance(said, Running):
            self.running.add(rank)
            if len(self.running) == len(self.children):
                self.started = monotonic()
        elif isinstance(said, Progressed):
            self.beats[rank] = said.beat
            if rank == 0 or rank not in self.beats:
                self.on_beats([self.beats[peer] for peer in sorted(self.beats)], monotonic() - self.started)
        elif isinstance(said, Done):
            self.results[rank] = said.result

    def _cause_known(self) -> bool:
        """Somebody has failed of itself, not because a peer was gone."""
        return any(blame is None or not blame.peer for blame in self.blames.values())

    def _failure(self) -> ShootdownError:
        own = sorted(rank for rank, blame in self.blames.items() if blame is not None and not blame.peer)
        if own:
            blame = self.blames[own[0]]
            assert blame is not None
            return blame.error(own[0])
        dead = sorted(rank for rank, blame in self.blames.items() if blame is None)
        if dead:
            how = self.children[dead[0]].how_it_ended()
            return RunError(f"worker {dead[0]} {how} before the run was over", key=f"worker {dead[0]}", found=how)
        rank, blame = min(self.blames.items())
        assert blame is not None
        return blame.error(rank)


async def run_children(
    starts: Callable[[int, str, str], Start], workers: int, on_beats: Callable[[list[Beat], float], None]
) -> tuple[list[ShareResult], float]:
    """Run ``workers`` processes; ``starts`` gives each its Start by (rank, token, directory). Results by rank, and seconds of running.

    Raises RunError if a worker dies or fails. Whatever ends it, no process, socket or file is left.
    """
    directory = _private_directory()
    children: list[Child] = []
    over = False
    try:
        token = secrets.token_hex(16)
        for rank in range(workers):
            children.append(Child(rank))
        run = Run(children, on_beats)
        for child in children:
            child.say(starts(child.rank, token, directory))
        await run.go()
        wall_s = monotonic() - run.started
        over = True
        return [run.results[rank] for rank in range(workers)], wall_s
    finally:
        with anyio.CancelScope(shield=True):
            await _stop(children, abandon=not over)
        shutil.rmtree(directory, ignore_errors=True)


async def _stop(children: list[Child], *, abandon: bool) -> None:
    """Ask all workers to stop, kill those that do not, and reap them."""
    for child in children:
        child.say(Stop(abandon))
    with anyio.move_on_after(GRACE_S if abandon else ORDERLY_S):
        for child in children:
            await child.hang_up()
    for child in children:
        try:
            child.process.wait(timeout=EXIT_S if abandon else ORDERLY_S)
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
        child.link.close()


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
