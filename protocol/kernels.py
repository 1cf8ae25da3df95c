"""Kernel variants: the named forms of each switchable protocol step, what a form requires, and the presets (vm-facts 1.0a).

A *switch* is a choice among named forms. ``repaired`` is the 2006 kernel with every residual hazard closed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Switch(NamedTuple):
    """One row of vm-facts 1.0a: identifier, slug, forms (oldest first), and the sentence that says what it is."""

    id: str
    slug: str
    forms: tuple[str, ...]
    title: str


SWITCHES: dict[str, Switch] = {
    s.id: s
    for s in (
        Switch("R01", "cowfault-trust", ("trusts-page", "looks-again"), "cowfault trusts the page after VM_WAIT dropped both locks"),
        Switch(
            "R02",
            "pq-dropped-early",
            ("before-shootdown", "after-shootdown"),
            "pmap_remove and pmap_protect drop the page-queues lock before the shootdown has finished",
        ),
        Switch(
            "R03", "pm-active-order", ("clear-set-load", "set-load-clear"), "pm_active is changed without order against context switches"
        ),
        Switch("R04", "resident-count-peek", ("unlocked", "under-pmap"), "pmap_remove's early exit reads resident_count unsynchronised"),
        Switch("R05", "cow-read-writable", ("writable", "read-only"), "a read fault on a page with cow > 0 re-enters it writable"),
    )
}
SWITCH_BY_SLUG = {s.slug: s for s in SWITCHES.values()}

Kernel = Mapping[str, str]
"""Switch id to the form in force."""

PRESETS: dict[str, Kernel] = {
    "freebsd-2006": {s.id: s.forms[0] for s in SWITCHES.values()},
    "repaired": {s.id: s.forms[-1] for s in SWITCHES.values()},
}
DEFAULT_PRESET = "repaired"


class KernelError(ValueError):
    """A kernel that cannot be meant: an unknown preset, switch or form. ``found`` and ``allowed`` say what and what not."""

    def __init__(self, message: str, found: str, allowed: list[str]) -> None:
        super().__init__(message)
        self.found = found
        self.allowed = allowed


def switch_called(name: str) -> Switch:
    """The switch with this id or slug. Raises KernelError."""
    switch = SWITCHES.get(name.upper()) or SWITCH_BY_SLUG.get(name)
    if switch is None:
        raise KernelError(f"no change is called {name!r}", name, [f"{s.id} ({s.slug})" for s in SWITCHES.values()])
    return switch


def kernel(preset: str = DEFAULT_PRESET, revert: tuple[str, ...] = (), apply: tuple[str, ...] = ()) -> dict[str, str]:
    """The forms of a preset with some changes put back to their oldest form and some to their newest. Raises KernelError."""
    if preset not in PRESETS:
        raise KernelError(f"no kernel is called {preset!r}", preset, sorted(PRESETS))
    forms = dict(PRESETS[preset])
    for name in revert:
        switch = switch_called(name)
        forms[switch.id] = switch.forms[0]
    for name in apply:
        switch = switch_called(name)
        forms[switch.id] = switch.forms[-1]
    return forms
