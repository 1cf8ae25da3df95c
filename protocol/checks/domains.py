"""Which views a choice of checks needs: a view that no chosen check reads is not kept."""

from __future__ import annotations

from collections.abc import Mapping

from protocol.checks.base import Check, Findings
from protocol.checks.state import SuiteState
from protocol.checks.views.domain import Domain
from protocol.checks.views.free import FreeCounts
from protocol.checks.views.locks import Locks
from protocol.checks.views.objects import Objects
from protocol.checks.views.pages import Pages
from protocol.checks.views.pmaps import Pmaps
from protocol.checks.views.threads import Threads
from protocol.machine import Machine


def domains_for(
    state: SuiteState, machine: Machine, findings: Findings, checks: dict[str, Check], kernel: Mapping[str, str]
) -> list[Domain]:
    """The views, over the parts of ``state``, that the chosen checks read. ``kernel``: the forms in force."""
    chosen = list(checks.values())
    needed = {name for check in chosen for name in check.domains}
    domains: list[Domain] = []
    if "threads" in needed:
        domains.append(Threads(state.threads, findings, chosen, kernel))
    if "locks" in needed:
        domains.append(Locks(state.locks, findings, chosen))
    if "pages" in needed:
        domains.append(Pages(state.pages, findings, chosen))
    if "objects" in needed:
        domains.append(Objects(state.objects, findings, chosen))
    if "pmaps" in needed:
        domains.append(Pmaps(state.pmaps, findings, chosen))
    if "free" in needed:
        domains.append(FreeCounts(state.free, machine.frames, findings, chosen))
    return domains
