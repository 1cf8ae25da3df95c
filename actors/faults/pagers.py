"""A device that is slow for a while. What goes wrong with single requests (an error, no end, another page, a part of one) is said by the
requests themselves, and done where they are served (``actors.homes.pagers``)."""

from __future__ import annotations

from actors.faults.base import Table, Trigger, begins, under_way
from actors.homes.pagers import Pager, Request
from protocol.faults import Fault


def slow(pager: Pager, table: Table, fault: Fault, trigger: Trigger) -> None:
    """pager-slow: what the device begins while the fault lasts takes ``percent`` of its time (500: five times as long).

    Who faults on a page of it waits longer, with the page busy and without locks, and others queue behind at the device. No check speaks;
    the run takes longer. Where memory is short, so do those who wait for pages to be laundered.
    """
    takes_ns = pager.takes_ns

    def longer(request: Request) -> int:
        ns = takes_ns(request)
        return ns * fault.percent // 100 if under_way(fault, pager.clock.now) else ns

    pager.takes_ns = longer  # type: ignore[method-assign]
    begins(table, fault, lambda: None)
