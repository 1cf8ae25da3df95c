"""Every message of the model, and their union for the wire.

A test asserts that tags are unique and that each message survives encoding by msgspec and reading by msgpack.
"""

from __future__ import annotations

from protocol.messages import (
    contig,
    device,
    faults,
    free,
    isa,
    locks,
    objects,
    pages,
    processor,
    pvs,
    queues,
    space,
    vnodes,
    windows,
    zones,
)
from protocol.messages.base import DEVICE, IPI, LINK_NAMES, LOCAL, MEMORY, Held, Message, Op, Reply, Row, Scalar, Value


def _leaves(base: type[Message]) -> list[type[Message]]:
    found: list[type[Message]] = []
    for sub in base.__subclasses__():
        if sub is not Op:
            found.append(sub)
        found.extend(_leaves(sub))
    return found


MESSAGE_TYPES: tuple[type[Message], ...] = tuple(
    sorted((m for m in _leaves(Message) if m.__module__.startswith("protocol.messages")), key=lambda m: m.__struct_config__.tag)  # type: ignore[arg-type,return-value]
)
"""All message types of the machine, by ascending tag."""

MESSAGE_BY_WORD: dict[str, type[Message]] = {m.word: m for m in MESSAGE_TYPES}

__all__ = [
    "DEVICE", "IPI", "LINK_NAMES", "LOCAL", "MEMORY", "MESSAGE_BY_WORD", "MESSAGE_TYPES", "Held", "Message", "Op", "Reply", "Row",
    "Scalar", "Value", "contig", "device", "faults", "free", "isa", "locks", "objects", "pages", "processor", "pvs", "queues", "space",
    "vnodes", "windows", "zones",
]  # fmt: skip
