"""The block: unit of a trace file, checked before it is believed.

``magic, format version, kind, slice index, length, crc32`` (little-endian), then ``length`` bytes of zstd over MessagePack. The checksum
covers the header's other fields as well, so a block moved to another slice is noticed. Because the header alone says how long a block is
and which slice it holds, an index is built without decompressing anything. One compressed stream per file was rejected: it saves few
bytes and loses everything after a damage. docs/trace-format.md describes the file for other readers.
"""

from __future__ import annotations

import struct
from typing import NamedTuple
from zlib import crc32

import msgspec
import zstandard

from cluster.plan import FORMAT_VERSION

MAGIC = b"SDTB"
SLICE, END = 1, 2
"""Kinds of block: one slice's entries; the totals that close a whole file."""
LENGTH_MAX = 1 << 30
CONTENT_MAX = 1 << 32
"""Most bytes a payload may stand for: a damaged or made-up frame must not ask for all memory."""
_FIXED = struct.Struct("<4sHHQI")
_CRC = struct.Struct("<I")
HEADER_BYTES = _FIXED.size + _CRC.size

Groups = list[tuple[str, int, bytes]]
"""(actor, entries, encoded entries), in order of actor."""


class Body(msgspec.Struct, array_like=True):
    """What a slice's block holds."""

    slice_index: int
    groups: Groups


class Totals(msgspec.Struct, array_like=True):
    """What the last block holds: what the file held before it."""

    slices: int
    entries: int


class Header(NamedTuple):
    """A block's header."""

    version: int
    kind: int
    slice_index: int
    length: int
    crc: int


class DamageError(ValueError):
    """A block that cannot be believed; the text says why."""


_compress = zstandard.ZstdCompressor(level=1).compress
_decompressor = zstandard.ZstdDecompressor()
_encode = msgspec.msgpack.Encoder().encode
_bodies = msgspec.msgpack.Decoder(Body)
_totals = msgspec.msgpack.Decoder(Totals)


def block(kind: int, slice_index: int, content: Body | Totals) -> bytes:
    """One block as bytes, header included."""
    payload = _compress(_encode(content))
    fixed = _FIXED.pack(MAGIC, FORMAT_VERSION, kind, slice_index, len(payload))
    return b"".join((fixed, _CRC.pack(crc32(payload, crc32(fixed))), payload))


def parse_header(data: bytes) -> Header:
    """The header in the first HEADER_BYTES of ``data``. Raises DamageError."""
    if len(data) < HEADER_BYTES:
        raise DamageError(f"{len(data)} bytes where a block's header has {HEADER_BYTES}")
    magic, version, kind, slice_index, length = _FIXED.unpack_from(data)
    if magic != MAGIC:
        raise DamageError(f"a block begins with {MAGIC!r}, found {magic!r}")
    if version != FORMAT_VERSION:
        raise DamageError(f"format version {version}, this program reads {FORMAT_VERSION}")
    if kind not in (SLICE, END) or length > LENGTH_MAX:
        raise DamageError(f"kind {kind} and length {length} are not those of a block")
    return Header(version, kind, slice_index, length, _CRC.unpack_from(data, _FIXED.size)[0])


def check(header: Header, data: bytes) -> bytes:
    """The payload of the block ``data``, after comparing its checksum. Raises DamageError."""
    payload = data[HEADER_BYTES:]
    if len(payload) != header.length:
        raise DamageError(f"cut off after {len(payload)} of {header.length} bytes")
    if crc32(payload, crc32(data[: _FIXED.size])) != header.crc:
        raise DamageError("its checksum does not match")
    return payload


def _content(header: Header, data: bytes) -> bytes:
    payload = check(header, data)
    size = zstandard.frame_content_size(payload)
    if not 0 <= size <= CONTENT_MAX:
        raise DamageError(f"it claims to hold {size} bytes, at most {CONTENT_MAX} are believed")
    return _decompressor.decompress(payload)


def slice_body(header: Header, data: bytes) -> Body:
    """The content of a slice's block. Raises DamageError."""
    try:
        body = _bodies.decode(_content(header, data))
    except (zstandard.ZstdError, msgspec.DecodeError) as error:
        raise DamageError(f"its content cannot be read: {error}") from error
    if body.slice_index != header.slice_index:
        raise DamageError(f"its header says slice {header.slice_index}, its content {body.slice_index}")
    return body


def totals(header: Header, data: bytes) -> Totals:
    """The content of the last block. Raises DamageError."""
    try:
        return _totals.decode(_content(header, data))
    except (zstandard.ZstdError, msgspec.DecodeError) as error:
        raise DamageError(f"its content cannot be read: {error}") from error
