"""From a reference (a file, a name, a recording) to the raw tables of one scenario, presets and ``--set`` merged in.

A recording given by itself is a scenario of two lines: the recordings' machine and that recording.
"""

from __future__ import annotations

import re
import stat
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from cluster.errors import InputError
from cluster.scenario.places import RECORDING_SUFFIXES, names, stem_of
from cluster.scenario.refusal import refuse

Raw = dict[str, Any]
DEFAULT_MACHINE = "recordings-2cpu"
FILE_BYTES_MAX = 4 << 20
DIGITS_MAX = 4300
"""Of an integer in a TOML text: Python converts no more, and says so with an error that is none of TOML's."""
_BEYOND = 1 << 14_000
"""Hexadecimal ones it converts, and then cannot spell out what was found."""
_LONG = re.compile("[0-9][0-9A-Fa-fxob_]{3500,}", re.ASCII)
"""An integer so long, in any base."""


class Source(NamedTuple):
    """Raw tables, the scenario's name, its file and text (for messages), and the directory where relative paths start."""

    raw: Raw
    name: str
    file: str
    text: str
    base: Path


def read_source(ref: str | Path) -> Source:
    """The scenario that ``ref`` means: a path, a scenario's name, or a recording's path or name. Raises InputError."""
    text = str(ref)
    path = Path(text)
    if path.exists() or "/" in text:
        return _from_path(path)
    scenarios, recordings = names("scenarios"), names("recordings")
    if text in scenarios:
        return _from_path(scenarios[text])
    if text in recordings:
        return _from_recording(recordings[text], text)
    known = ", ".join([*scenarios, *(name for name in recordings if name not in scenarios)])
    raise refuse(text, "scenario", "no such file", f"a file, or one of {known}", why="no scenario or recording has this name")


def _from_path(path: Path) -> Source:
    if path.is_dir():
        raise refuse(str(path), "scenario", "a directory", "a scenario file (.toml) or a recording (.perf.txt, .xz, .gz)")
    if path.suffix == ".toml":
        text = read_text(path)
        return Source(parse(text, str(path)), stem_of(path), str(path), text, path.parent)
    if not path.exists():
        raise refuse(str(path), "scenario", "no such file", "a scenario file (.toml) or a recording (.perf.txt, .xz, .gz)")
    if any(path.name.endswith(suffix) for suffix in RECORDING_SUFFIXES):
        return _from_recording(path, stem_of(path))
    raise refuse(str(path), "scenario", f"a file called {path.name}", f"a name that ends in .toml, {', '.join(RECORDING_SUFFIXES)}")


def _from_recording(path: Path, name: str) -> Source:
    raw = {"workload": {"recording": str(path.resolve())}}
    return Source(raw, name, str(path), "", path.parent)


def special(path: Path) -> str:
    """What a path is that is there and no regular file, or "": who reads a device or a pipe may read without end, or wait for ever."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return ""
    return "" if stat.S_ISREG(mode) else _SPECIAL.get(stat.S_IFMT(mode), "a special file")


_SPECIAL = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def _a(what: str) -> str:
    return f"{'an' if what[0] in 'aeiou' else 'a'} {what}"


def read_text(path: Path, what: str = "scenario", least: str = "[workload]") -> str:
    """The text of a TOML file, ``what`` it is and what must at ``least`` be in it. Raises InputError for what cannot be one."""
    try:
        if found := special(path):
            raise refuse(str(path), what, found, f"{_a(what)} file")
        data = path.read_bytes() if path.stat().st_size <= FILE_BYTES_MAX else None
    except FileNotFoundError:
        raise refuse(str(path), what, "no such file", f"{_a(what)} file") from None
    except OSError as error:
        raise refuse(str(path), what, error.strerror or "an unreadable file", "a readable file") from None
    if data is None:
        raise refuse(str(path), what, f"more than {FILE_BYTES_MAX} bytes", f"{_a(what)} file of at most {FILE_BYTES_MAX} bytes")
    if not data.strip():
        raise refuse(str(path), what, "an empty file", f"{_a(what)} file with at least {least}")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise refuse(str(path), what, f"bytes that are no text (at byte {error.start})", "a TOML file in UTF-8") from None


def toml(text: str) -> Raw:
    """What a TOML text says. Raises TOMLDecodeError, RecursionError, and ValueError for an integer that is too long."""
    tables = tomllib.loads(text)
    waiting: list[object] = [tables]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict | list):
            waiting += value.values() if isinstance(value, dict) else value
        elif isinstance(value, int) and abs(value) >= _BEYOND:
            raise ValueError("an integer that is too long")
    return tables


def parse(text: str, file: str, what: str = "scenario") -> Raw:
    """The tables of a TOML text, and of what it is. Raises InputError with file and line."""
    try:
        return toml(text)
    except RecursionError:
        raise refuse(file, "TOML", "arrays or tables nested too deep to be read", f"valid TOML, as flat as {_a(what)} file is") from None
    except tomllib.TOMLDecodeError as error:
        raise _no_toml(text, file, str(error)) from None
    except ValueError:
        raise too_long(text, file, "TOML") from None


def _no_toml(text: str, file: str, message: str) -> InputError:
    digits = message.partition("(at line ")[2].partition(",")[0]
    line = int(digits) if digits.isdigit() else text.count("\n") + 1
    content = text.splitlines()[line - 1].strip() if line <= text.count("\n") + 1 and text else ""
    return refuse(file, "TOML", content or "the end of the file", "valid TOML", line=line, why=message.partition(" (at")[0])


def too_long(text: str, file: str, key: str) -> InputError:
    """The InputError about the integer in ``text`` that has more digits than Python converts."""
    digits = _LONG.search(text)
    line = text.count("\n", 0, digits.start()) + 1 if digits and "\n" in text else None
    return refuse(file, key, digits[0] if digits else text, f"integers of at most {DIGITS_MAX} digits", line=line)


def with_preset(machine: object, file: str) -> Raw:
    """A ``[machine]`` table laid over the preset it names, or the default one; presets may name one too. Raises InputError."""
    if not isinstance(machine, dict):
        raise refuse(file, "machine", machine, "a table")
    seen: list[str] = []
    table: Raw = dict(machine)
    table.setdefault("preset", DEFAULT_MACHINE)
    base = table["preset"]
    while base is not None:
        presets = names("machines")
        if not isinstance(base, str) or base not in presets or base in seen:
            raise refuse(file, "machine.preset", base, presets)
        seen.append(base)
        below = parse(read_text(presets[base]), str(presets[base]))["machine"]
        base = below.pop("preset", None)
        table = _laid_over(below, table)
    return table


def _laid_over(below: Raw, above: Raw) -> Raw:
    """``above`` over ``below``, tables key by key. Frames and bytes, and a link's two forms, replace each other."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        merged[key] = _laid_over(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    for one, other in ((("memory_bytes",), ("frames",)), (("matrix_ns",), ("same_ns", "cross_ns"))):
        for given, replaced in ((one, other), (other, one)):
            if any(key in above for key in given) and not any(key in above for key in replaced):
                for key in replaced:
                    merged.pop(key, None)
    if {"cpus", "domains"} & set(above) and "cpu_domains" not in above:
        merged.pop("cpu_domains", None)
    return merged
