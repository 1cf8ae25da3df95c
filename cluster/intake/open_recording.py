"""A recording's lines, from plain text, xz, gzip or zstd, in blocks and never as a whole.

The compression is told by the file's first bytes, not by its name, so a renamed file is read all the same. Lines end at a newline only:
the other line ends that ``str.splitlines`` knows may stand in a ``comm``, which is under the recorded user's control. Text is decoded as
latin-1, one character per byte, because perf pads columns in bytes; names are decoded properly where they are kept (:func:`readable`).
"""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

import zstandard

from cluster.errors import InputError

BLOCK_BYTES = 1 << 20
LINE_BYTES_MAX = 1 << 16
"""perf prints no longer line: paths end at 4,096 bytes."""

_XZ, _GZIP, _ZSTD, _PERF_DATA = b"\xfd7zXZ\0", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PERFILE2"
ALLOWED = "text printed by perf script, plain or compressed with xz, gzip or zstd"


def readable(name: str) -> str:
    """A name as it may be shown anywhere: UTF-8 where it is that, and every unprintable character escaped (``\\x1b``)."""
    text = name.encode("latin-1", "backslashreplace").decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def readable_path(path: Path | str) -> str:
    """A path as it may be shown anywhere."""
    return readable(str(path).encode("utf-8", "surrogateescape").decode("latin-1"))


class Recording:
    """One pass over the lines of the recording at ``path``; afterwards ``lines`` read, ``cut`` and ``digest`` are known.

    ``lines_max``: read no more lines than that (0: all). ``cut`` is true when the last line had no end. ``digest`` is BLAKE2b of the
    uncompressed bytes that were read. Raises InputError for whatever is no readable text.
    """

    def __init__(self, path: Path, lines_max: int = 0) -> None:
        self.path = path
        self.lines_max = lines_max
        self.lines = 0
        self.cut = False
        self._hash = blake2b(digest_size=32)

    @property
    def digest(self) -> str:
        """BLAKE2b of what was read, in hexadecimal."""
        return self._hash.hexdigest()

    def refuse(self, what: str, found: object, line: int | None = None, allowed: object = ALLOWED) -> InputError:
        """The error for this file: what is wrong with it, what was found and what is allowed."""
        sentence = f"{readable_path(self.path)}: {what}: found {found}, allowed: {allowed}"
        return InputError(sentence, file=str(self.path), line=line, found=found, allowed=allowed)

    def __iter__(self) -> Iterator[str]:
        """The lines without their ends. The last one is left out if it was cut; it is counted."""
        rest = b""
        try:
            for block in self._blocks():
                *whole, rest = (rest + block).split(b"\n")
                yield from self._counted(whole)
                if self.lines_max and self.lines >= self.lines_max:
                    return
                if len(rest) > LINE_BYTES_MAX:
                    raise self.refuse("not a perf recording", f"{len(rest)} bytes without the end of a line")
        except OSError as error:
            raise self.refuse(f"cannot be read: {error.strerror or error}", type(error).__name__, allowed="a readable file") from error
        if rest:
            self._hash.update(rest)
            self.lines += 1
            self.cut = True
        if not self.lines:
            raise self.refuse("the recording is empty", "0 bytes")

    def _counted(self, whole: list[bytes]) -> Iterator[str]:
        if self.lines_max:
            whole = whole[: self.lines_max - self.lines]
        if whole:
            text = b"\n".join(whole) + b"\n"
            self._hash.update(text)
            self.lines += len(whole)
            yield from text.decode("latin-1")[:-1].split("\n")

    def _blocks(self) -> Iterator[bytes]:
        """Uncompressed blocks, the first of which is checked to be text."""
        first = True
        for block in self._uncompressed():
            if first and block.startswith(_PERF_DATA):
                raise self.refuse("this is perf's binary data: print it with perf script first", "perf.data")
            if b"\0" in block:
                raise self.refuse("not a perf recording: it is not text", "bytes of value 0")
            first = False
            yield block

    def _uncompressed(self) -> Iterator[bytes]:
        if self.path.is_dir():
            raise self.refuse("not a recording", "a directory")
        if not self.path.exists():
            raise self.refuse("no such file", "nothing")
        with self.path.open("rb") as file:
            magic = file.read(8)
            file.seek(0)
            if magic.startswith(_ZSTD):
                yield from self._zstd(file)
            elif magic.startswith((_XZ, _GZIP)):
                yield from self._stream(file, magic)
            else:
                yield from iter(lambda: file.read(BLOCK_BYTES), b"")

    def _stream(self, file: BinaryIO, magic: bytes) -> Iterator[bytes]:
        with lzma.open(file) if magic.startswith(_XZ) else gzip.open(file) as stream:
            try:
                yield from iter(lambda: stream.read(BLOCK_BYTES), b"")
            except EOFError as error:
                raise self.refuse("the compressed file is cut off", "its end is missing") from error
            except (lzma.LZMAError, gzip.BadGzipFile, zlib.error) as error:
                raise self.refuse("the compressed file is damaged", str(error)) from error

    def _zstd(self, file: BinaryIO) -> Iterator[bytes]:
        """Frame by frame with a decompression object, because the stream reader takes a cut file for a whole one."""
        frame = zstandard.ZstdDecompressor().decompressobj()
        try:
            for block in iter(lambda: file.read(BLOCK_BYTES >> 3), b""):
                while block:
                    yield frame.decompress(block)
                    block = frame.unused_data
                    if frame.eof:
                        frame = zstandard.ZstdDecompressor().decompressobj()
                        started = bool(block)
                    else:
                        started = True
        except zstandard.ZstdError as error:
            raise self.refuse("the compressed file is damaged", str(error)) from error
        if started:
            raise self.refuse("the compressed file is cut off", "its end is missing")
