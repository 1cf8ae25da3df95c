"""What a verification has found already, so that one of many hours can be continued.

One JSON line per run, appended when it is done. A line counts only for the same plan and the same code of this project: the file is a
memory of what was seen to hold, and another version has not been seen to hold anything.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster.errors import InputError
from cluster.scenario.read import special

if TYPE_CHECKING:
    from cluster.cli.verify import Combination
    from cluster.plan import Plan

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("protocol", "actors", "cluster", "shootdown")


def identity(plan: Plan) -> str:
    """What must be the same for a digest to be comparable: the model, the seed, and every source file."""
    import msgspec

    found = blake2b(msgspec.msgpack.encode([plan.model, plan.seed], order="deterministic"), digest_size=16)
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            found.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()


class Memory:
    """Digests by combination, for one identity; kept in ``path`` if there is one."""

    def __init__(self, path: Path | None, of: str) -> None:
        """Read what ``path`` has. Raises InputError if it is something else."""
        self._path, self._of = path, of
        self._known: dict[tuple[Any, ...], str] = {}
        if path is not None and path.exists():
            for number, line in enumerate(_lines(path), 1):
                self._read(line, number)

    def _read(self, line: str, number: int) -> None:
        try:
            row = json.loads(line)
            key, digest, of = (row["workers"], row["backend"], row["hash_seed"], row["trace"]), row["digest"], row["of"]
        except (ValueError, KeyError, TypeError):
            sentence = f"{self._path}:{number}: found no line of a verification, allowed: a file that --continue has written"
            raise InputError(sentence, file=str(self._path), line=number, key="--continue", allowed="what --continue writes") from None
        if of == self._of:
            self._known[key] = digest

    def get(self, combination: Combination) -> str | None:
        """The digest that was found before, or None."""
        return self._known.get(tuple(combination))

    def put(self, combination: Combination, digest: str) -> None:
        """Remember a digest. Raises OSError if the file cannot be written."""
        if self._path is None or tuple(combination) in self._known:
            return
        self._known[tuple(combination)] = digest
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({**combination._asdict(), "digest": digest, "of": self._of}) + "\n")


def _lines(path: Path) -> list[str]:
    """The whole lines of the file; what an interruption left of another is cut off."""
    allowed = "a file that --continue has written, or one that is not there yet"
    if found := special(path):
        raise InputError(
            f"{path}: --continue: found {found}, allowed: {allowed}", file=str(path), key="--continue", found=found, allowed=allowed
        )
    try:
        text = path.read_text(encoding="utf-8")
        whole, end, rest = text.rpartition("\n")
        if rest:
            path.write_text(whole + end, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}", file=str(path), key="--continue", found=str(error)) from None
    return whole.split("\n") if whole else []
