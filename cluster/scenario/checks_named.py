"""The names of checks in a scenario: those it enables, and those it expects to speak."""

from __future__ import annotations

from typing import Literal

from cluster.scenario.refusal import Place


def known_checks() -> tuple[str, ...]:
    """Every check there is, in order of name. Loaded only when a scenario is: the checks themselves are not needed to parse options."""
    from protocol.checks.registry import CHECKS

    return tuple(sorted(CHECKS))


def checks_of(enable: Literal["all"] | list[str], place: Place) -> tuple[str, ...]:
    """The enabled checks in order of name. Raises InputError for a name no check has."""
    return known_checks() if enable == "all" else all_known(enable, "checks.enable", place)


def all_known(names: list[str], key: str, place: Place) -> tuple[str, ...]:
    """The checks named at ``key``, in order of name. Raises InputError for a name no check has."""
    known = known_checks()
    for index, name in enumerate(names):
        if name not in known:
            raise place.refuse(f"{key}[{index}]", name, list(known))
    return tuple(sorted(set(names)))
