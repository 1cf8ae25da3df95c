"""An instant as it is typed: nanoseconds, or a number with a unit."""

from __future__ import annotations

from cluster.errors import InputError

DIGITS_MAX = 15
"""Of a time in ns: 10^15 is the greatest, and has one more."""


def nanoseconds(text: str, option: str = "--at") -> int:
    """``1500``, ``"1.5 us"`` or ``"2 ms"``, typed after ``option``, in ns. Raises InputError."""
    digits = text.strip().replace("_", "")
    if digits.isascii() and digits.isdigit() and len(digits) <= DIGITS_MAX:  # without pydantic, which takes longer than a short log
        return int(digits)
    from pydantic import TypeAdapter, ValidationError

    from cluster.scenario.units import Ns

    try:
        found: int = TypeAdapter(Ns).validate_python(text)
    except (ValidationError, ValueError):
        allowed = "a time from 0 to 10^15 ns, such as 1500, '1.5 us' or '2 ms'"
        raise InputError(
            f"{option}: found {text!r}, allowed: {allowed}", key=option.removeprefix("--"), found=text, allowed=allowed
        ) from None
    return found
