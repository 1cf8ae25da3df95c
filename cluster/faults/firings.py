"""Why a fault did not fire: what a run says of it at its end."""

from __future__ import annotations

from protocol.faults import INSTANT, KINDS, MESSAGE, Fault


def why_silent(fault: Fault, matched: int, ended_ns: int) -> str:
    """Why a fault never fired, as far as can be told, in a run that ended at ``ended_ns``."""
    begins_ns = max(fault.at_ns, fault.when.from_ns)
    if begins_ns >= ended_ns:
        return f"it begins at {begins_ns:,} ns, and the run ended at {ended_ns:,} ns"
    if KINDS[fault.kind].scope == INSTANT:
        return "its time came, and nobody there took notice of it"
    if not matched:
        what = "message matched" if KINDS[fault.kind].scope == MESSAGE else "occasion was one of"
        return f"no {what} its predicate" + (" in its time" if begins_ns or _ends(fault) else "")
    times = f"its predicate matched {matched:,} times"
    if fault.when.nth:
        return f"{times}, and at no receiver {fault.when.nth:,} times (nth)"
    return f"{times}, and at no receiver {fault.when.every:,} times (every)"


def _ends(fault: Fault) -> bool:
    return bool(fault.when.until_ns or fault.duration_ns or fault.heal_ns)
