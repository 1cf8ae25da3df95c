"""Reading a table that a person wrote: each key taken once, with its type; what is left over is an error.

pydantic models were rejected for scripts: a step's allowed keys depend on the word after ``do``, and a union of a dozen models answers one
typing error with a dozen messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cluster.errors import InputError, spelled

UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
DIGITS_MAX = 19
"""Of a time's number, in whatever unit: what is longer is beyond 2^62 ns."""
FOUND_CHARACTERS_MAX = 200
REQUIRED: Any = object()
"""Given as a default: the key must be there."""


class Table:
    """A mapping with the path ``key`` that leads to it, for messages; ``file`` is where it stands."""

    def __init__(self, value: object, key: str, file: str | None = None) -> None:
        self.key = key
        self.file = file
        if not isinstance(value, Mapping):
            raise self.error("", value, "a table")
        self._value = value
        self._taken: list[str] = []

    def path(self, name: str) -> str:
        """The key path of ``name`` in this table."""
        return ".".join(part for part in (self.key, name) if part)

    def error(self, name: str, found: object, allowed: object) -> InputError:
        """The error about key ``name``."""
        place, words = self.path(name) or "the script", ", ".join(map(str, allowed)) if isinstance(allowed, list | tuple) else allowed
        prefix = f"{self.file}: " if self.file else ""
        sentence = f"{prefix}{place}: found {_short(spelled(found))}, allowed: {words}"
        return InputError(sentence, file=self.file, key=place, found=found, allowed=allowed)

    def take(self, name: str, default: object = REQUIRED) -> Any:
        """The value of ``name``, as it is."""
        self._taken.append(name)
        if name in self._value:
            return self._value[name]
        if default is REQUIRED:
            prefix = f"{self.file}: " if self.file else ""
            place = self.path(name)
            raise InputError(
                f"{prefix}{place}: found nothing, allowed: a value", file=self.file, key=place, found=None, allowed=f"a value for {name}"
            )
        return default

    def has(self, name: str) -> bool:
        """Is the key there?"""
        return name in self._value

    def integer(self, name: str, default: Any = REQUIRED, low: int = 0, high: int = 1 << 62) -> int:
        """An integer from ``low`` to ``high``."""
        value = self.take(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.error(name, value, f"an integer from {low} to {high}")
        return value

    def nanoseconds(self, name: str, default: Any = REQUIRED) -> int:
        """A time: an integer of ns, or text such as "3 us"."""
        value = self.take(name, default)
        if isinstance(value, str):
            number, _, unit = value.strip().partition(" ")
            known = number.isascii() and number.isdigit() and len(number) <= DIGITS_MAX and unit.strip() in UNITS
            value = int(number) * UNITS[unit.strip()] if known else value
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 62:
            return value
        raise self.error(name, value, 'a number of ns, or text such as "120 ns", "3 us", "1 ms"')

    def boolean(self, name: str, default: Any = REQUIRED) -> bool:
        """true or false."""
        value = self.take(name, default)
        if not isinstance(value, bool):
            raise self.error(name, value, "true or false")
        return value

    def text(self, name: str, default: Any = REQUIRED, allowed: Sequence[str] = ()) -> str:
        """Text; one of ``allowed`` if that is given."""
        value = self.take(name, default)
        if not isinstance(value, str) or (allowed and value not in allowed):
            raise self.error(name, value, list(allowed) or "text")
        return value

    def texts(self, name: str) -> list[str]:
        """Text or a list of texts; empty if the key is missing."""
        value = self.take(name, [])
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not all(isinstance(item, str) for item in values):
            raise self.error(name, value, "text or a list of texts")
        return values

    def tables(self, name: str) -> list[Table]:
        """A list of tables; empty if the key is missing."""
        value = self.take(name, [])
        if not isinstance(value, list):
            raise self.error(name, value, f"tables: [[{self.path(name)}]]")
        return [Table(item, f"{self.path(name)}[{index}]", self.file) for index, item in enumerate(value)]

    def finish(self, allowed: str = "") -> None:
        """Nothing may be left over."""
        for name in self._value:
            if name not in self._taken:
                raise self.error(name, name, allowed or sorted(set(self._taken)))


def _short(text: str) -> str:
    return text if len(text) <= FOUND_CHARACTERS_MAX else text[: FOUND_CHARACTERS_MAX - 1] + "…"
