"""The two ways a command can fail, each one sentence with place, found and allowed.

``InputError`` ends a command with status 2, ``RunError`` with 3. Both carry what ``--json`` prints under ``error``.
"""

from __future__ import annotations

import json


def spelled(value: object) -> str:
    """``repr``, and some words for what Python spells out no more: an integer of thousands of digits, a value nested a thousand deep."""
    try:
        return repr(value)
    except ValueError:
        return "an integer of thousands of digits"
    except RecursionError:
        return "a value nested too deep to be shown"


class ShootdownError(Exception):
    """Base: a sentence for a person and the fields of the JSON error."""

    kind = "error"
    status = 3

    def __init__(
        self,
        sentence: str,
        *,
        file: str | None = None,
        line: int | None = None,
        key: str | None = None,
        found: object = None,
        allowed: object = None,
    ) -> None:
        super().__init__(sentence)
        self.file, self.line, self.key, self.found, self.allowed = file, line, key, found, allowed

    def as_json(self) -> dict[str, object]:
        """The value of ``error`` in ``--json`` output."""
        return {
            "kind": self.kind,
            "message": str(self),
            "file": self.file,
            "line": self.line,
            "key": self.key,
            "found": _as_json(self.found),
            "allowed": self.allowed,
        }


def _as_json(found: object) -> object:
    """A found value as it is, or in words if JSON cannot hold it: a date of a TOML file, also inside a list."""
    try:
        json.dumps(found, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return spelled(found)
    return found


class InputError(ShootdownError):
    """Something given from outside is wrong: exit status 2."""

    kind = "input"
    status = 2


class RunError(ShootdownError):
    """A run could not be carried out: exit status 3."""

    kind = "run"
    status = 3
