"""Frames on a stream of bytes: little-endian u32 length, u32 CRC-32, u64 number, u8 version, u8 kind, u8 flags, then the body.

Length and version are checked before the body is read, the checksum before it is decoded: a damaged or foreign peer ends the run with one
sentence and never makes a worker wait for four gigabytes. ``length`` counts the body only. ``number`` is the round a frame belongs to:
a worker that was started anew says everything again, and its peers know by it what they have. The checksum covers number, kind and body;
``flags`` stand outside, for they come from a clock on the wall and need not be the same when a frame is made again.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple
from zlib import crc32

from cluster.errors import RunError

HEADER = Struct("<IIQBBB")
VERSION = 2
LENGTH_MAX = 1 << 28
"""256 MiB: ten times the largest batch of a 64-CPU machine, far below a garbled length."""
CONTROL, HELLO, BATCH, CHECK, STATUS = range(5)
KINDS = ("control", "hello", "batch", "check", "status")


class Frame(NamedTuple):
    """A frame as it was received."""

    kind: int
    number: int
    flags: int
    checksum: int
    body: bytes


def frame(kind: int, body: bytes, number: int = 0, flags: int = 0) -> bytes:
    """A whole frame. Raises RunError if the body is longer than a frame may be."""
    if len(body) > LENGTH_MAX:
        raise RunError(f"a {KINDS[kind]} of {len(body)} bytes is too long for a frame", found=len(body), allowed=f"at most {LENGTH_MAX}")
    return HEADER.pack(len(body), _checksum(kind, number, body), number, VERSION, kind, flags) + body


def _checksum(kind: int, number: int, body: bytes) -> int:
    """CRC-32 of the body, begun with number and kind instead of zero."""
    return crc32(body, (number << 3 ^ kind) & 0xFFFFFFFF)


class Unframer:
    """Takes bytes as they come from ``peer``, in words, and gives whole frames.

    A window's frame nearly always comes in one piece: then nothing is copied but the body. Pieces of a longer one are joined once, when
    it is whole.
    """

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self._pieces: list[bytes] = []
        self._have = 0
        self._need = HEADER.size

    def feed(self, data: bytes) -> None:
        """Append what was read."""
        self._pieces.append(data)
        self._have += len(data)

    def next(self) -> Frame | None:
        """The next whole frame, or None if more bytes are needed. Raises RunError if it is malformed."""
        if self._have < self._need:
            return None
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        length, checksum, number, version, kind, flags = HEADER.unpack_from(data)
        if version != VERSION or kind >= len(KINDS) or length > LENGTH_MAX:
            raise self._bad_header(length, version, kind)
        end = HEADER.size + length
        if self._have < end:
            self._pieces, self._need = [data], end
            return None
        body = data[HEADER.size : end]
        rest = data[end:]
        self._pieces, self._have, self._need = ([rest], len(rest), HEADER.size) if rest else ([], 0, HEADER.size)
        if _checksum(kind, number, body) != checksum:
            raise self._malformed("with a wrong checksum", _checksum(kind, number, body), checksum)
        return Frame(kind, number, flags, checksum, body)

    def _bad_header(self, length: int, version: int, kind: int) -> RunError:
        if version != VERSION:
            return self._malformed(f"of version {version}", version, VERSION)
        if kind >= len(KINDS):
            return self._malformed(f"of unknown kind {kind}", kind, f"0 to {len(KINDS) - 1}")
        return self._malformed(f"of {length} bytes", length, f"at most {LENGTH_MAX}")

    def _malformed(self, what: str, found: object, allowed: object) -> RunError:
        return RunError(f"{self.peer} sent a malformed frame: one {what}; expected {allowed}", key=self.peer, found=found, allowed=allowed)

    @property
    def partial(self) -> int:
        """Bytes of a frame that has only begun."""
        return self._have
