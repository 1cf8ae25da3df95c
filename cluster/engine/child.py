"""One worker process, seen by its parent.

The control connection is a socket pair made before the spawn, so no name exists that a stranger could dial, and its end is the news of a
death. Watching process identifiers instead was rejected: they are reused, and a thread per child is needed on asyncio.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from anyio.abc import ObjectSendStream

from cluster.engine import control
from cluster.engine.control import Said, failed
from cluster.engine.frames import CONTROL
from cluster.engine.link import Link, PeerGoneError
from cluster.errors import RunError, ShootdownError

ROOT = Path(__file__).resolve().parents[2]
"""Where the packages stand: workers import them from here whatever the current directory is."""
WORKER = "cluster.engine.worker"
"""The module that a worker runs; a test may put another in its place."""
EXIT_S = 0.1
"""How long a process may take to end after its connection has."""
WORDS_S = 0.3
"""How long to wait for its status, which says how it ended."""


class Child:
    """A worker process of incarnation ``incarnation`` and the parent's end of its control connection."""

    def __init__(self, rank: int, incarnation: int = 0, keep: Sequence[int] = ()) -> None:
        """Start it. ``keep``: descriptors that it inherits. Raises RunError."""
        own, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])}
        command = [sys.executable, "-P", "-m", WORKER, str(other.fileno())]
        try:
            self.process = subprocess.Popen(
                command, env=environment, pass_fds=(other.fileno(), *keep), stdin=subprocess.DEVNULL, start_new_session=True
            )
        except OSError as error:
            own.close()
            raise RunError(f"worker {rank} cannot be started: {error.strerror}", key=f"worker {rank}", found=str(error)) from error
        finally:
            other.close()
        self.rank = rank
        self.incarnation = incarnation
        self.stopped = False
        self.link = Link(own, f"worker {rank}")

    def say(self, said: Said) -> None:
        """Tell the worker. One that is gone is noticed by who listens to it."""
        try:
            self.link.send(CONTROL, control.encode(said))
        except PeerGoneError:
            return

    async def listen(self, stream: ObjectSendStream[tuple[Child, Said | None]]) -> None:
        """Pass on what the worker says until its connection ends."""
        try:
            while True:
                found = await self.link.next()
                await stream.send((self, control.decode(found.body, f"worker {self.rank}")))
        except PeerGoneError:
            await stream.send((self, None))
        except ShootdownError as error:
            await stream.send((self, failed(error, peer=False)))

    async def hang_up(self) -> None:
        """Wait until the worker has closed its end, whatever else it says."""
        try:
            while True:
                await self.link.next()
        except ShootdownError:
            return

    def end(self, wait_s: float = EXIT_S) -> None:
        """See that the process is gone, by force if it takes longer than this, and reap it."""
        try:
            self.process.wait(timeout=wait_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.link.close()

    def how_it_ended(self) -> str:
        """In words, for a process whose connection has ended."""
        if self.stopped:
            return "stood still (stopped by a signal) and was killed"
        try:
            status = self.process.wait(timeout=WORDS_S)
        except subprocess.TimeoutExpired:
            return "closed its control connection"
        return f"was killed by {_signal(-status)}" if status < 0 else f"exited with status {status}"

    def stands_still(self) -> bool:
        """Is the process stopped by a signal (SIGSTOP)? A busy one runs, one that waits sleeps; a debugger's stop is another state."""
        try:
            stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        except OSError:
            return False
        return stat.rpartition(")")[2].split()[0] == "T"

    def kill(self) -> None:
        """End a process that stands still."""
        self.stopped = True
        self.process.kill()


def _signal(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"
