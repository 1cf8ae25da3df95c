"""The small files of a run directory: the manifest, the summary and the violations, as JSON that people and other tools read.

They are validated when read, each with a sentence that names file, key, what was found and what is allowed, and they are replaced whole
(written beside, forced to the disk, renamed), so that a reader never sees half of one. The manifest holds a digest of itself and of the
others: a bit that flips in a seed or a digest leaves valid JSON, and a wrong number must not be believed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from cluster.errors import InputError, RunError
from cluster.plan import FORMAT_VERSION, MODEL_VERSION, Plan

MANIFEST, SUMMARY, VIOLATIONS, LOG = "manifest.json", "summary.json", "violations.jsonl", "log.jsonl"
BESIDE = ".tmp"
"""What a file's name ends in while it is written."""
T = TypeVar("T")


class Particulars(msgspec.Struct, frozen=True):
    """What a summary says of the scenario and no worker needs to know; ``endings`` and ``violations`` are what it expects."""

    title: str = ""
    kernel_preset: str = ""
    kernel_notes: list[str] = []
    endings: list[str] = []
    violations: list[str] = []
    declared: list[str] = []
    """Faults by name; a swarm leaves some out of the plan."""


class Origin(msgspec.Struct, frozen=True):
    """Where a run that was forked off another began: the other's directory and digest, and the virtual time."""

    run_dir: str
    digest: str
    at_ns: int


class Manifest(msgspec.Struct):
    """What a run is, written when it starts and completed when it ends (``ended`` is "" until then).

    ``run`` is a name that no other run has; ``files``: the digests of the other small files, by name.
    """

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
    run: str = ""
    particulars: Particulars = Particulars()
    origin: Origin | None = None
    files: dict[str, str] = {}
    checksum: str = ""

    def digest_of_self(self) -> str:
        """What ``checksum`` must be: over everything else."""
        return digest_of(msgspec.json.encode(msgspec.structs.replace(self, checksum="")))


class Violation(msgspec.Struct):
    """A violation as ``run --json`` prints it; ``event`` is the identity ``sender:seq`` of the event that broke the invariant."""

    check: str
    time_ns: int
    actor: str
    event: str
    message: str


class _Versions(msgspec.Struct):
    format_version: int


def replace_file(path: Path, data: bytes, beside_is_whole: Callable[[], None] = lambda: None, *, forced: bool = True) -> None:
    """Write ``path`` whole or not at all; ``beside_is_whole`` is called when only the renaming is left. Raises RunError.

    ``forced``: it is on the disk, name and content, before this returns.
    """
    beside = path.with_name(path.name + BESIDE)
    try:
        with beside.open("wb") as stream:
            stream.write(data)
            if forced:
                stream.flush()
                os.fsync(stream.fileno())
        beside_is_whole()
        beside.replace(path)
        if forced:
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


def json_of(value: object) -> bytes:
    """``value`` as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def lines_of(values: Iterable[object]) -> bytes:
    """One line of JSON per value."""
    return b"".join(msgspec.json.encode(value) + b"\n" for value in values)


def write_manifest(run_dir: Path, manifest: Manifest, *, forced: bool = True) -> None:
    """Write or replace the manifest, with its checksum; ``forced`` as of :func:`replace_file`. Raises RunError."""
    manifest.checksum = manifest.digest_of_self()
    replace_file(run_dir / MANIFEST, json_of(manifest), forced=forced)


def read_bytes(path: Path) -> bytes:
    """A file's content. Raises InputError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}", file=str(path), found=error.strerror) from error


def vouched(path: Path, files: Mapping[str, str]) -> bytes | None:
    """A file's content if the manifest vouches for it, None if the manifest knows of no such file. Raises InputError."""
    if path.name not in files:
        return None
    data = read_bytes(path)
    if digest_of(data) != files[path.name]:
        raise InputError(
            f"{path} is damaged or was changed: its digest is not the one in {MANIFEST}",
            file=str(path),
            found=digest_of(data),
            allowed=files[path.name],
        )
    return data


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
    found = parse(data, Manifest, path)
    if found.checksum != found.digest_of_self():
        raise InputError(
            f"{path} is damaged or was changed: its checksum is wrong",
            file=str(path),
            key="checksum",
            found=found.checksum,
            allowed=found.digest_of_self(),
        )
    return found


def read_summary(run_dir: Path, files: Mapping[str, str]) -> dict[str, Any]:
    """The summary of a finished run; empty for one that did not finish. ``files``: the manifest's. Raises InputError."""
    data = vouched(run_dir / SUMMARY, files)
    return {} if data is None else parse(data, dict[str, Any], run_dir / SUMMARY)


def read_violations(run_dir: Path, files: Mapping[str, str]) -> list[Violation]:
    """The violations; none if the run did not get so far. ``files``: the manifest's. Raises InputError."""
    path = run_dir / VIOLATIONS
    data = vouched(path, files)
    lines = [] if data is None else data.splitlines()
    return [parse(line, Violation, path, number) for number, line in enumerate(lines, 1) if line.strip()]
