"""What a worker and its parent say to each other over the control connection: typed MessagePack in frames of kind control.

The order is: Start (to the worker), Ready (its address), Peers (to the worker), Running, Progressed now and then, Done or Failed, Stop. A
worker whose control connection closes exits: no process survives its parent.
"""

from __future__ import annotations

import msgspec

from cluster.engine.results import Beat, ShareResult
from cluster.engine.snapshot import Snapshots
from cluster.errors import InputError, RunError, ShootdownError
from cluster.plan import Plan


class Start(msgspec.Struct, tag=1):
    """Everything a worker needs: the plan, its rank, the token of this run, where sockets go, and from which states to start (files)."""

    plan: Plan
    rank: int
    token: str
    directory: str
    bare: bool = False
    states: list[str] | None = None
    incarnation: int = 0
    snapshots: Snapshots = Snapshots()


class Ready(msgspec.Struct, tag=2):
    """The worker listens at ``address``."""

    address: str


class Peers(msgspec.Struct, tag=3):
    """Where all workers listen, by rank."""

    addresses: list[str]


class Running(msgspec.Struct, tag=4):
    """All links stand: the first window begins."""


class Progressed(msgspec.Struct, tag=5):
    """A progress report."""

    beat: Beat


class Done(msgspec.Struct, tag=6):
    """The worker's share is over. It stays until Stop."""

    result: ShareResult


class Failed(msgspec.Struct, tag=7):
    """The worker cannot go on. ``peer``: it only noticed that a peer was gone, which has a cause elsewhere."""

    kind: str
    sentence: str
    key: str | None = None
    found: str | None = None
    allowed: str | None = None
    file: str | None = None
    peer: bool = False

    def error(self, rank: int) -> ShootdownError:
        """The exception that the parent raises for it."""
        made = InputError if self.kind == InputError.kind else RunError
        sentence = self.sentence if made is InputError else f"worker {rank}: {self.sentence}"
        return made(sentence, key=self.key, found=self.found, allowed=self.allowed, file=self.file)


class Stop(msgspec.Struct, tag=8):
    """The run is over; with ``abandon`` it is not, and what is recorded is closed as it is."""

    abandon: bool = False


Said = Start | Ready | Peers | Running | Progressed | Done | Failed | Stop

encode = msgspec.msgpack.Encoder().encode
_decoder: msgspec.msgpack.Decoder[Said] = msgspec.msgpack.Decoder(Said)


def decode(body: bytes, who: str) -> Said:
    """What was said. Raises RunError if it is malformed."""
    try:
        return _decoder.decode(body)
    except msgspec.DecodeError as error:
        raise RunError(f"{who} sent a malformed control message: {error}", key=who, found=str(error)) from error


def failed(error: ShootdownError, peer: bool) -> Failed:
    """An exception on its way to the parent."""
    texts = {name: None if value is None else str(value) for name, value in error.as_json().items()}
    return Failed(error.kind, str(error), texts["key"], texts["found"], texts["allowed"], texts["file"], peer)
