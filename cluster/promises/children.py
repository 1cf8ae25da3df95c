"""Jobs carried out in processes of their own, each with the job's hash seed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType

import msgspec

from cluster.errors import InputError, RunError
from cluster.promises.child import Answer, Refused
from cluster.promises.job import Found, Job

ROOT = Path(__file__).resolve().parents[2]
START = """
import os, signal, sys
signal.signal(signal.SIGINT, lambda *_: os._exit(130))
from cluster.promises.child import main
sys.exit(main())
"""
"""An interruption while the child is still loading, when there is nothing to clean up, shows no traceback either."""


class Child:
    """A process with this hash seed that carries out jobs, one at a time. A context manager: leaving it ends the process."""

    def __init__(self, hash_seed: int) -> None:
        self.hash_seed = hash_seed
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": path}
        command = [sys.executable, "-c", START]
        # Detached from the terminal: Ctrl-C there reaches the parent alone, which interrupts the child in order.
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, start_new_session=True)

    def ask(self, job: Job) -> Found:
        """Carry out ``job``. Raises InputError or RunError if that is impossible."""
        assert job.hash_seed == self.hash_seed, f"{job.label}: hash seed {job.hash_seed} in a process of hash seed {self.hash_seed}"
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        try:
            stdin.write(msgspec.json.encode(job) + b"\n")
            stdin.flush()
            line = stdout.readline()
        except BrokenPipeError:
            line = b""
        if not line:
            raise RunError(f"{job.label}: the process ended with status {self._process.wait()} and said nothing", key=job.label)
        said: Answer = msgspec.json.decode(line, type=Answer)
        if isinstance(said, Refused):
            raise (InputError if said.status == InputError.status else RunError)(f"{job.label}: {said.sentence}", key=job.label)
        return said.found

    def __enter__(self) -> Child:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """End of jobs: the process ends by itself; after an exception it is interrupted, and cleans up."""
        assert self._process.stdin is not None and self._process.stdout is not None
        if kind is not None:
            self._process.send_signal(signal.SIGINT)
        with suppress(BrokenPipeError):  # a process that is gone leaves what was meant for it
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def carried_out(job: Job) -> Found:
    """One job in one process. Raises InputError, RunError."""
    with Child(job.hash_seed) as child:
        return child.ask(job)


def all_carried_out(jobs: Iterable[Job]) -> Iterator[tuple[Job, Found]]:
    """Jobs in the order given, one process per hash seed. Raises InputError, RunError."""
    children: dict[int, Child] = {}
    with ExitStack() as stack:
        for job in jobs:
            if job.hash_seed not in children:
                children[job.hash_seed] = stack.enter_context(Child(job.hash_seed))
            yield job, children[job.hash_seed].ask(job)
