"""Which views a choice of checks needs: a view that no chosen check reads is not kept."""

from __future__ import annotations

from collections.abc import Mapping

from protocol.checks.base import Check, Findings
from protocol.checks.state import SuiteState
from protocol.checks.views.domain import Domain
from protocol.checks.views.facts import Facts
from protocol.checks.views.free import FreeCounts
from protocol.checks.views.locks import Locks
from protocol.checks.views.maps import Maps
from protocol.checks.views.objects import Objects
from protocol.checks.views.pages import Pages
from protocol.checks.views.pmaps import Pmaps
from protocol.checks.views.queues import Queues
from protocol.checks.views.shoots import Shoots
from protocol.checks.views.threads import Threads
from protocol.contracts import Contract
from protocol.machine import Machine


def domains_for(
    state: SuiteState,
    machine: Machine,
    findings: Findings,
    checks: dict[str, Check],
    kernel: Mapping[str, str],
    contracts: Mapping[str, Contract],
) -> list[Domain]:
    """The views, over the parts of ``state``, that the chosen checks read; their order is that in which they see a record. ``kernel``: the
    forms in force; ``contracts``: what routines promise of locks."""
    chosen = list(checks.values())
    needed = {name for check in chosen for name in check.domains}
    domains: list[Domain] = []
    if "threads" in needed:
        domains.append(Threads(state.threads, findings, chosen, kernel, contracts))
    if "locks" in needed:
        domains.append(Locks(state.locks, findings, chosen))
    if "facts" in needed:
        domains.append(Facts(machine, findings, chosen))
    if "pages" in needed:
        domains.append(Pages(state.pages, findings, chosen, kernel))
    if "queues" in needed:
        domains.append(Queues(state.queues, findings, chosen))
    if "objects" in needed:
        domains.append(Objects(state.objects, state.globals, findings, chosen))
    if "pmaps" in needed:
        domains.append(Pmaps(state.pmaps, machine, findings, chosen, kernel))
    if "shoots" in needed:
        domains.append(Shoots(state.shoots, findings, chosen))
    if "maps" in needed:
        domains.append(Maps(state.maps, findings, chosen))
    if "free" in needed:
        domains.append(FreeCounts(state.free, machine, findings, chosen))
    return domains
