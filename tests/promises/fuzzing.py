"""Files of a run directory, damaged in every way that comes to mind, repeatably by seed."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import NamedTuple


class Damage(NamedTuple):
    """One mutation: which file, how, and what was done, in words."""

    file: str
    how: str
    what: str


def truncated(data: bytes, draw: random.Random) -> tuple[bytes, str]:
    """Cut off anywhere, the beginning included."""
    at = draw.randrange(len(data)) if data else 0
    return data[:at], f"cut off at byte {at} of {len(data)}"


def flipped(data: bytes, draw: random.Random) -> tuple[bytes, str]:
    """One bit, anywhere."""
    at, bit = draw.randrange(len(data)), draw.randrange(8)
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :], f"bit {bit} of byte {at}"


def zeroed(data: bytes, draw: random.Random) -> tuple[bytes, str]:
    """A stretch of zeros, as a disk leaves that lost a block."""
    at = draw.randrange(len(data))
    length = min(len(data) - at, 1 + draw.randrange(4096))
    return data[:at] + bytes(length) + data[at + length :], f"{length} zero bytes from byte {at}"


def spliced(data: bytes, draw: random.Random) -> tuple[bytes, str]:
    """A stretch of the file copied over another."""
    source, at = draw.randrange(len(data)), draw.randrange(len(data))
    piece = data[source : source + 1 + draw.randrange(64)]
    return data[:at] + piece + data[at + len(piece) :], f"bytes of {source} at {at}"


def longer(data: bytes, draw: random.Random) -> tuple[bytes, str]:
    """Something appended."""
    return data + draw.randbytes(1 + draw.randrange(64)), "bytes appended"


def versioned(data: bytes, draw: random.Random) -> tuple[bytes, str]:
    """Another number where a version may stand: near the beginning."""
    at = draw.randrange(min(len(data), 32))
    return data[:at] + bytes([draw.randrange(256)]) + data[at + 1 :], f"byte {at} replaced"


WAYS = (truncated, flipped, zeroed, spliced, longer, versioned)


def damage(path: Path, foreign: Path, names: list[str], draw: random.Random) -> Damage:
    """Damage one file of the run directory ``path``; ``foreign`` is another run's, with files of the same names or none."""
    name = draw.choice(names)
    way = draw.randrange(len(WAYS) + 2)
    file = path / name
    if way == len(WAYS):
        file.unlink()
        return Damage(name, "removed", "removed")
    if way == len(WAYS) + 1:
        others = [other for other in sorted(foreign.rglob("*")) if other.is_file() and other.suffix == file.suffix]
        other = foreign / name if (foreign / name).is_file() else draw.choice(others)
        shutil.copy(other, file)
        return Damage(name, "foreign", f"replaced by {other.name} of another run")
    data = file.read_bytes()
    if not data:
        return Damage(name, "nothing", "an empty file stays what it is")
    made, what = WAYS[way](data, draw)
    file.write_bytes(made)
    return Damage(name, WAYS[way].__name__, what)
