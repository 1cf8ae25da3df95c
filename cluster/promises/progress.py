"""What has been shown so far, in a file, so that hours of runs can be interrupted and continued.

One JSON line per finished piece, appended and flushed when it is done. A line counts only for the very same code and configuration: what
another version did shows nothing about this one. It differs from what ``shootdown verify --continue`` keeps in holding any piece, not only
digests.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from pathlib import Path
from typing import Any

from cluster.errors import InputError, RunError

ROOT = Path(__file__).resolve().parents[2]
SOURCES = (("protocol", "*.py"), ("actors", "*.py"), ("cluster", "*.py"), ("configs", "*.toml"), ("configs", "*.xz"))
FILE = "progress.jsonl"


def code_identity() -> str:
    """A hash over every source file, scenario and recording."""
    found = blake2b(digest_size=16)
    for directory, pattern in SOURCES:
        for path in sorted((ROOT / directory).rglob(pattern)):
            data = path.read_bytes()
            found.update(f"{path.relative_to(ROOT)}\0{len(data)}\0".encode() + data)
    return found.hexdigest()


class Progress:
    """Finished pieces by name. Made anew for each call; ``stale`` counts lines of other code, which are kept but not used."""

    def __init__(self, directory: Path, code: str, *, clean: bool = False) -> None:
        """Read what ``directory`` has; with ``clean`` begin anew. Raises InputError for a file of something else, RunError if there cannot
        be one."""
        self._path, self._code, self.stale = directory / FILE, code, 0
        self._done: dict[str, dict[str, Any]] = {}
        try:
            directory.mkdir(parents=True, exist_ok=True)
            if clean:
                self._path.unlink(missing_ok=True)
            lines = self._path.read_bytes().splitlines(keepends=True) if self._path.exists() else []
            if lines and not lines[-1].endswith(b"\n"):  # cut off by an interruption
                self._path.write_bytes(b"".join(lines[:-1]))
                lines.pop()
        except OSError as error:
            raise RunError(f"{self._path}: {error.strerror}", file=str(self._path), found=error.strerror) from error
        for number, line in enumerate(lines, 1):
            self._read(line, number)

    def _read(self, line: bytes, number: int) -> None:
        try:
            row = json.loads(line)
            name, code, found = row["piece"], row["code"], dict(row["found"])
        except (ValueError, KeyError, TypeError):
            sentence = f"{self._path}:{number}: no line of progress; remove the file, or begin anew with CLEAN=1"
            raise InputError(sentence, file=str(self._path), line=number, allowed="lines that this program has written") from None
        if code == self._code:
            self._done[name] = found
        else:
            self.stale += 1

    def get(self, piece: str) -> dict[str, Any] | None:
        """What was found for a piece, or None if it has not been done."""
        return self._done.get(piece)

    def put(self, piece: str, found: dict[str, Any]) -> None:
        """Remember. Raises RunError if the file cannot be written."""
        self._done[piece] = found
        try:
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"piece": piece, "code": self._code, "found": found}) + "\n")
        except OSError as error:
            raise RunError(f"{self._path}: {error.strerror}", file=str(self._path), found=error.strerror) from error
