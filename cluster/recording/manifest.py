"""The small files of a run directory: the manifest, the summary and the violations, as JSON that people and other tools read.

They are validated when read, each with a sentence that names file, key, what was found and what is allowed, and they are replaced whole
(written beside, forced to the disk, renamed), so that a reader never sees half of one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from cluster.errors import InputError, RunError
from cluster.plan import FORMAT_VERSION, MODEL_VERSION, Plan

MANIFEST, SUMMARY, VIOLATIONS, LOG = "manifest.json", "summary.json", "violations.jsonl", "log.jsonl"
T = TypeVar("T")


class Manifest(msgspec.Struct):
    """What a run is, written when it starts and completed when it ends (``ended`` is "" until then)."""

    scenario: str
    seed: int
    workers: int
    plan: Plan
    ended: str = ""
    digest: str = ""
    events: int = 0
    records: int = 0
    virtual_ns: int = 0
    format_version: int = FORMAT_VERSION
    model_version: int = MODEL_VERSION
    versions: dict[str, str] = {}


class Violation(msgspec.Struct):
    """A violation as ``run --json`` prints it; ``event`` is the identity ``sender:seq`` of the event that broke the invariant."""

    check: str
    time_ns: int
    actor: str
    event: str
    message: str


class _Versions(msgspec.Struct):
    format_version: int


def replace_file(path: Path, data: bytes) -> None:
    """Write ``path`` whole or not at all. Raises RunError."""
    beside = path.with_name(path.name + ".tmp")
    try:
        with beside.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise RunError(f"{path}: cannot be written: {error.strerror}", file=str(path), found=error.strerror) from error


def sync_directory(path: Path) -> None:
    """Force a directory's names to the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest_of(data: bytes) -> str:
    """How a file is vouched for: BLAKE2b-128, in hexadecimal."""
    return blake2b(data, digest_size=16).hexdigest()


def write_json(path: Path, value: object) -> None:
    """``value`` as indented JSON. Raises RunError."""
    replace_file(path, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def write_lines(path: Path, values: Iterable[object]) -> None:
    """One line of JSON per value. Raises RunError."""
    replace_file(path, b"".join(msgspec.json.encode(value) + b"\n" for value in values))


def read_bytes(path: Path) -> bytes:
    """A file's content. Raises InputError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}", file=str(path), found=error.strerror) from error


def parse(data: bytes, kind: type[T], path: Path, line: int | None = None) -> T:
    """JSON as ``kind``. Raises InputError naming file, line and key."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        text, _, place = str(error).partition(" - at `$.")
        key = re.sub(r"[`\[\]]", "", place) or None
        where = f"{path}" + (f", line {line}" if line else "") + (f", key {key}" if key else "")
        raise InputError(f"{where}: {text}", file=str(path), line=line, key=key, found=text, allowed="what a run writes there") from error


def read_manifest(run_dir: Path) -> Manifest:
    """The manifest of a run directory. Raises InputError, also for a format this program does not read."""
    path = run_dir / MANIFEST
    data = read_bytes(path)
    version = parse(data, _Versions, path).format_version
    if version != FORMAT_VERSION:
        raise InputError(
            f"{path}, key format_version: this run is in format {version}, this program reads format {FORMAT_VERSION}",
            file=str(path),
            key="format_version",
            found=version,
            allowed=FORMAT_VERSION,
        )
    return parse(data, Manifest, path)


def read_summary(run_dir: Path) -> dict[str, Any]:
    """The summary of a finished run; empty for one that did not finish. Raises InputError."""
    path = run_dir / SUMMARY
    return parse(read_bytes(path), dict[str, Any], path) if path.exists() else {}


def read_violations(run_dir: Path) -> list[Violation]:
    """The violations; none if the run did not get so far. Raises InputError."""
    path = run_dir / VIOLATIONS
    if not path.exists():
        return []
    lines = read_bytes(path).splitlines()
    return [parse(line, Violation, path, number) for number, line in enumerate(lines, 1) if line.strip()]
