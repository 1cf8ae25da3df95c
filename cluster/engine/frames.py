"""Frames on a stream of bytes: little-endian u32 length, u32 CRC-32, u8 version, u8 kind, then the body.

Length and version are checked before the body is read, the checksum before it is decoded: a damaged or foreign peer ends the run with one
sentence and never makes a worker wait for four gigabytes. ``length`` counts the body only.
"""

from __future__ import annotations

from struct import Struct
from zlib import crc32

from cluster.errors import RunError

HEADER = Struct("<IIBB")
VERSION = 1
LENGTH_MAX = 1 << 28
"""256 MiB: ten times the largest batch of a 64-CPU machine, far below a garbled length."""
CONTROL, HELLO, BATCH, CHECK, STATUS = range(5)
KINDS = ("control", "hello", "batch", "check", "status")


def frame(kind: int, body: bytes) -> bytes:
    """A whole frame. Raises RunError if the body is longer than a frame may be."""
    if len(body) > LENGTH_MAX:
        raise RunError(f"a {KINDS[kind]} of {len(body)} bytes is too long for a frame", found=len(body), allowed=f"at most {LENGTH_MAX}")
    return HEADER.pack(len(body), crc32(body), VERSION, kind) + body


class Unframer:
    """Takes bytes as they come from ``peer``, in words, and gives whole frames."""

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Append what was read."""
        self._buffer += data

    def next(self) -> tuple[int, bytes] | None:
        """The next whole frame as (kind, body), or None if more bytes are needed. Raises RunError if it is malformed."""
        buffer = self._buffer
        if len(buffer) < HEADER.size:
            return None
        length, checksum, version, kind = HEADER.unpack_from(buffer)
        self._check_header(length, version, kind)
        end = HEADER.size + length
        if len(buffer) < end:
            return None
        body = bytes(buffer[HEADER.size : end])
        del buffer[:end]
        if crc32(body) != checksum:
            raise self._malformed("with a wrong checksum", crc32(body), checksum)
        return kind, body

    def _check_header(self, length: int, version: int, kind: int) -> None:
        if version != VERSION:
            raise self._malformed(f"of version {version}", version, VERSION)
        if kind >= len(KINDS):
            raise self._malformed(f"of unknown kind {kind}", kind, f"0 to {len(KINDS) - 1}")
        if length > LENGTH_MAX:
            raise self._malformed(f"of {length} bytes", length, f"at most {LENGTH_MAX}")

    def _malformed(self, what: str, found: object, allowed: object) -> RunError:
        return RunError(f"{self.peer} sent a malformed frame: one {what}; expected {allowed}", key=self.peer, found=found, allowed=allowed)

    @property
    def partial(self) -> int:
        """Bytes of a frame that has only begun."""
        return len(self._buffer)
