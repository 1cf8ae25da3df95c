"""Kernel variants: a preset, with changes put back or brought on, and what cannot be combined refused with its reason (vm-facts 1.0a).

``freebsd-2004`` is 5.2 as far as both sides of a change could be read there, ``freebsd-2006`` the kernel after all changes with the
hazards it kept, ``repaired`` that kernel with every hazard closed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from protocol.changes import CHANGE_BY_SLUG, CHANGES, REMARKS, Change, Need

Kernel = Mapping[str, str]
"""Change id to the form in force."""

_NEW_BY_2004 = frozenset({"C19", "C22", "C28", "C29", "C30", "C31", "C32", "C33"})
"""Changes that the kernel of 2004 had already, or that cannot be dated (C19, C22)."""


def _preset(old: frozenset[str]) -> Kernel:
    return {change.id: change.oldest if change.id in old else change.newest for change in CHANGES.values()}


_HAZARDS = frozenset(change.id for change in CHANGES.values() if change.hazard)
PRESETS: dict[str, Kernel] = {
    "freebsd-2004": _preset(frozenset(CHANGES) - _NEW_BY_2004),
    "freebsd-2006": _preset(_HAZARDS),
    "repaired": _preset(frozenset()),
}
DEFAULT_PRESET = "repaired"


class KernelError(ValueError):
    """A kernel that cannot be meant. ``found`` is the name or form given, ``allowed`` what would be."""

    def __init__(self, message: str, found: str, allowed: Sequence[str]) -> None:
        super().__init__(message)
        self.found = found
        self.allowed = list(allowed)


class Chosen(NamedTuple):
    """A kernel: the form of every change, and what a run says of the choice."""

    forms: dict[str, str]
    brought: dict[str, str]
    """Changes that nobody named and that were set beside one that was, with the reason."""
    ignored: tuple[str, ...]
    """Old forms of the preset that belong to another pmap."""
    remarks: tuple[str, ...]


def change_called(name: str) -> Change:
    """The change with this id or slug. Raises KernelError."""
    change = CHANGES.get(name.upper()) or CHANGE_BY_SLUG.get(name)
    if change is None:
        raise KernelError(f"no change is called {name!r}", name, [f"{c.id} ({c.slug})" for c in CHANGES.values()])
    return change


def choose(
    preset: str | Kernel = DEFAULT_PRESET,
    revert: Sequence[str] = (),
    apply: Sequence[str] = (),
    forms: Mapping[str, str] | None = None,
    pmap: str = "amd64",
) -> Chosen:
    """The preset, or a kernel already chosen, with ``revert`` in their oldest form, ``apply`` in their newest, and ``forms`` as named,
    together with what each needs.

    Raises KernelError for an unknown name or form, a change of another pmap, one change asked for in two forms, whichever way, and forms
    that never stood together.
    """
    kernel = _base(preset)
    asked = _asked(revert, apply, forms or {}, pmap)
    ignored = _drop_other_pmaps(kernel, pmap)
    kernel.update(asked)
    brought = _bring(kernel, asked)
    _refuse(kernel, asked)
    remarks = tuple(r.text for r in REMARKS if _applicable(r.forms, pmap) and all(kernel[name] == form for name, form in r.forms))
    return Chosen(kernel, brought, ignored, remarks)


def _base(preset: str | Kernel) -> dict[str, str]:
    if not isinstance(preset, str):
        return dict(preset)
    if preset not in PRESETS:
        raise KernelError(f"no kernel is called {preset!r}", preset, sorted(PRESETS))
    return dict(PRESETS[preset])


def kernel(
    preset: str | Kernel = DEFAULT_PRESET,
    revert: Sequence[str] = (),
    apply: Sequence[str] = (),
    forms: Mapping[str, str] | None = None,
    pmap: str = "amd64",
) -> dict[str, str]:
    """The forms of :func:`choose` alone."""
    return choose(preset, revert, apply, forms, pmap).forms


def applicable(forms: Kernel, pmap: str) -> dict[str, str]:
    """The forms without those of changes that this pmap does not have, in order of id."""
    return {name: form for name, form in sorted(forms.items()) if not CHANGES[name].pmaps or pmap in CHANGES[name].pmaps}


def _asked(revert: Sequence[str], apply: Sequence[str], forms: Mapping[str, str], pmap: str) -> dict[str, str]:
    """The form asked for of every change that is named."""
    asked: dict[str, str] = {}
    wanted = [(name, change_called(name).oldest) for name in revert] + [(name, change_called(name).newest) for name in apply]
    for name, form in [*wanted, *forms.items()]:
        change = change_called(name)
        if change.pmaps and pmap not in change.pmaps:
            where = " or ".join(change.pmaps)
            raise KernelError(f"{change.id} ({change.slug}) is a change of pmap {where}, not of {pmap}", name, [f"machine.pmap = {where}"])
        if form not in (known := (*change.forms, *change.foils)):
            raise KernelError(f"{change.id} ({change.slug}) has no form {form!r}", form, known)
        if asked.get(change.id, form) != form:
            text = f"{change.id} ({change.slug}) is asked for as {asked[change.id]} and as {form}"
            raise KernelError(text, name, ["one form of a change"])
        asked[change.id] = form
    return asked


def _applicable(forms: Iterable[tuple[str, str]], pmap: str) -> bool:
    return all(not CHANGES[name].pmaps or pmap in CHANGES[name].pmaps for name, _ in forms)


def _drop_other_pmaps(kernel: dict[str, str], pmap: str) -> tuple[str, ...]:
    """Put changes of another pmap in their newest form, which nobody asks for; the names of those that this changed."""
    ignored = []
    for name, change in CHANGES.items():
        if change.pmaps and pmap not in change.pmaps and kernel[name] != change.newest:
            kernel[name] = change.newest
            ignored.append(name)
    return tuple(ignored)


def _bring(kernel: dict[str, str], asked: Mapping[str, str]) -> dict[str, str]:
    """Set, beside each change that was asked for, what it needs to exist and to show; and what cannot stand beside it any more."""
    brought: dict[str, str] = {}
    for name, form in asked.items():
        for need in _needs(CHANGES[name]):
            if need.form == form and need.other not in asked and kernel[need.other] not in need.allowed:
                kernel[need.other] = need.allowed[-1]
                brought[need.other] = f"{need.allowed[-1]}, for {name}: {need.reason}"
    for change in CHANGES.values():
        for need in change.exists_with:
            if need.other in asked and change.id not in asked and kernel[change.id] == need.form and asked[need.other] not in need.allowed:
                kernel[change.id] = change.newest
                brought[change.id] = f"{change.newest}, with {need.other}: {need.reason}"
    return brought


def _needs(change: Change) -> tuple[Need, ...]:
    return change.exists_with + change.shows_with


def _refuse(kernel: Kernel, asked: Mapping[str, str]) -> None:
    """No form may stand beside one it never stood beside."""
    for change in CHANGES.values():
        for need in change.exists_with:
            if kernel[change.id] == need.form and kernel[need.other] not in need.allowed:
                name = change.id if change.id in asked else need.other
                allowed = " or ".join(f"{need.other} = {form}" for form in need.allowed)
                text = f"{change.id} = {need.form} exists only with {allowed}, not with {need.other} = {kernel[need.other]}: {need.reason}"
                raise KernelError(text, name, [allowed])
