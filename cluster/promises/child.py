"""A process that carries out jobs: one JSON job a line on stdin, one JSON answer a line on stdout.

``PYTHONHASHSEED`` is fixed when an interpreter starts, so a run with another hash seed needs another process; its worker processes inherit
it. One process may do many jobs one after the other: starting one costs as much as a small run.
"""

from __future__ import annotations

import signal
import sys
from typing import BinaryIO

import msgspec

from cluster.errors import RunError, ShootdownError
from cluster.promises.job import Found, Job, carry_out


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """A job that could not be carried out: the exit status that a command would end with, and the sentence."""

    status: int
    sentence: str


class Carried(msgspec.Struct, frozen=True, tag="carried"):
    """A job that was carried out."""

    found: Found


Answer = Carried | Refused


def answer(line: bytes) -> Answer:
    """Carry out the job of one line."""
    try:
        return Carried(carry_out(msgspec.json.decode(line, type=Job)))
    except ShootdownError as error:
        return Refused(error.status, str(error))


def serve(jobs: BinaryIO, answers: BinaryIO) -> None:
    """Answer every line until there are no more."""
    for line in jobs:
        answers.write(msgspec.json.encode(answer(line)) + b"\n")
        answers.flush()


def main() -> int:
    """Serve stdin; the exit status."""
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        serve(sys.stdin.buffer, sys.stdout.buffer)
    except KeyboardInterrupt:  # the parent knows why
        return 130
    except BrokenPipeError:  # the parent is gone, and nobody is left to tell
        return RunError.status
    return 0
