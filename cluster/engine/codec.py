"""Bodies of what workers say to each other in a window: typed MessagePack.

Decoding types and validates a whole batch of events in one call (219 ns an event), so a body that is not what it should be is found
before any actor sees it. pickle was never considered: a peer's bytes must not run code.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any

import msgspec

from cluster.engine.ending import Status
from cluster.errors import RunError
from protocol.event import Event
from protocol.messages import Message

Batch = tuple[int, int, list[Event]]
"""(window, the sender's earliest time including what it is sending, events)."""


class Codec:
    """Encodes and decodes the bodies of a run whose model has these message types."""

    def __init__(self, messages: Sequence[type[Message]]) -> None:
        union: Any = reduce(or_, messages)
        event = tuple[int, int, int, str, str, int, str, int, union]
        self._encode = msgspec.msgpack.Encoder().encode
        self._batch = msgspec.msgpack.Decoder(tuple[int, int, list[event]])
        self._status = msgspec.msgpack.Decoder(tuple[int, Status])
        self._events = msgspec.msgpack.Decoder(list[event])

    def batch(self, window: int, earliest_ns: int, events: list[Event]) -> bytes:
        """A batch's body."""
        return self._encode((window, earliest_ns, events))

    def read_batch(self, body: bytes, window: int, peer: int) -> Batch:
        """A batch. Raises RunError if it is malformed or of another window."""
        batch: Batch = _decoded(self._batch, body, peer, "a batch of events")
        _expect(batch[0], window, peer, "batch")
        return batch

    def status(self, window: int, status: Status) -> bytes:
        """A status report's body."""
        return self._encode((window, status))

    def read_status(self, body: bytes, window: int, peer: int) -> Status:
        """A status report. Raises RunError if it is malformed or of another window."""
        number, status = _decoded(self._status, body, peer, "a status report")
        _expect(number, window, peer, "status report")
        assert isinstance(status, Status)
        return status

    def events(self, events: list[Event]) -> bytes:
        """Events for a snapshot."""
        return self._encode(events)

    def read_events(self, body: bytes) -> list[Event]:
        """Events of a snapshot. Raises msgspec.ValidationError or DecodeError."""
        found: list[Event] = self._events.decode(body)
        return found


def _decoded(decoder: msgspec.msgpack.Decoder[Any], body: bytes, peer: int, what: str) -> Any:
    try:
        return decoder.decode(body)
    except msgspec.DecodeError as error:
        raise RunError(
            f"worker {peer} sent something that is not {what}: {error}", key=f"worker {peer}", found=str(error), allowed=what
        ) from error


def _expect(found: int, wanted: int, peer: int, what: str) -> None:
    if found != wanted:
        raise RunError(
            f"worker {peer} sent the {what} of window {found}, not of window {wanted}", key=f"worker {peer}", found=found, allowed=wanted
        )
