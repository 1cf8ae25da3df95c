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

    def next(self) -> tuple[int, bytes] | None:
        """The next whole frame as (kind, body), or None if more bytes are needed. Raises RunError if it is malformed."""
        if self._have < self._need:
            return None
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        length, checksum, version, kind = HEADER.unpack_from(data)
        if version != VERSION or kind >= len(KINDS) or length > LENGTH_MAX:
            raise self._bad_header(length, version, kind)
        end = HEADER.size + length
        if self._have < end:
            self._pieces, self._need = [data], end
            return None
        body = data[HEADER.size : end]
        rest = data[end:]
        self._pieces, self._have, self._need = ([rest], len(rest), HEADER.size) if rest else ([], 0, HEADER.size)
        if crc32(body) != checksum:
            raise self._malformed("with a wrong checksum", crc32(body), checksum)
        return kind, body

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
