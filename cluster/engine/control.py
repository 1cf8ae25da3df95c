"""What a worker and its parent say to each other over the control connection: typed MessagePack in frames of kind control.

The order is: Start (to the worker), Ready (its address), Peers (to the worker), Running, Progressed and Snapped now and then, answered by
Commit when all have snapped, Done or Failed, Stop. A worker whose control connection closes exits: no process survives its parent.
"""

from __future__ import annotations

import msgspec

from cluster.engine.deaths import Death
from cluster.engine.results import Beat, ShareResult
from cluster.engine.snapshotting import Snapshots
from cluster.errors import InputError, RunError, ShootdownError
from cluster.plan import Plan
from cluster.recording.cuts import Part


class Start(msgspec.Struct, tag=1):
    """Everything a worker needs: the plan, its rank, the token of this run, where sockets go, and from which states to start (files).

    ``own``: this worker's part of a committed cut, if it takes the place of one that died. ``recovers``: peers that die are waited for.
    ``careful_until``: up to this window, it writes down each event before it handles it. ``deaths``: where it shall die, in a test.
    """

    plan: Plan
    rank: int
    token: str
    directory: str
    bare: bool = False
    states: list[str] | None = None
    incarnation: int = 0
    snapshots: Snapshots = Snapshots()
    own: str | None = None
    recovers: bool = False
    careful_until: int = -1
    deaths: tuple[Death, ...] = ()


class Ready(msgspec.Struct, tag=2):
    """The worker listens at ``address``."""

    address: str


class Peers(msgspec.Struct, tag=3):
    """Where those workers listen that began to before this one, by rank: it dials them."""

    addresses: dict[int, str]


class Running(msgspec.Struct, tag=4):
    """All links stand: the first window begins."""


class Progressed(msgspec.Struct, tag=5):
    """A progress report."""

    beat: Beat


class Snapped(msgspec.Struct, tag=9):
    """The worker has written its part of a cut, or failed to."""

    part: Part


class Commit(msgspec.Struct, tag=10):
    """Every worker has written its part of a cut: what was said up to round ``rounds`` will not be asked for again."""

    rounds: int


class Refused(msgspec.Struct, tag=11):
    """The worker has sent a stranger away."""

    sentence: str


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


Said = Start | Ready | Peers | Running | Progressed | Snapped | Commit | Refused | Done | Failed | Stop

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
