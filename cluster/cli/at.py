"""An instant as it is typed: nanoseconds, or a number with a unit."""

from __future__ import annotations

from cluster.errors import InputError


def nanoseconds(text: str) -> int:
    """``1500``, ``"1.5 us"`` or ``"2 ms"`` in ns. Raises InputError."""
    from pydantic import TypeAdapter, ValidationError

    from cluster.scenario.units import Ns

    digits = text.strip().replace("_", "")
    try:
        found: int = TypeAdapter(Ns).validate_python(int(digits) if digits.isascii() and digits.isdigit() else text)
    except (ValidationError, ValueError):
        allowed = "a time from 0 to 10^15 ns, such as 1500, '1.5 us' or '2 ms'"
        raise InputError(f"--at: found {text!r}, allowed: {allowed}", key="at", found=text, allowed=allowed) from None
    return found
