"""A plan driven to its end in an event loop of its own, and Ctrl-C made an orderly cancellation.

The caller is ordinary, synchronous code; trio or asyncio is below this line and nowhere above it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cluster.errors import ShootdownError
from cluster.plan import Plan

if TYPE_CHECKING:
    from anyio import CancelScope

    from cluster.engine.results import Outcome, Progress


def drive(plan: Plan, on_progress: Callable[[Progress], None] | None, **options: Any) -> Outcome:
    """Run the plan under its backend, with ``options`` of :func:`cluster.engine.supervise.run_plan`.

    Raises KeyboardInterrupt once all has stopped after SIGINT or SIGTERM.
    """
    import anyio

    from cluster.engine.supervise import run_plan

    outcomes: list[Outcome] = []

    async def go() -> None:
        async with anyio.create_task_group() as group:
            if threading.current_thread() is threading.main_thread():
                group.start_soon(_cancel_on_signal, group.cancel_scope)
            outcomes.append(await run_plan(plan, on_progress=on_progress, **options))
            group.cancel_scope.cancel()

    try:
        anyio.run(go, backend=plan.backend)
    except BaseExceptionGroup as group:
        raise _single(group) from None
    if not outcomes:
        raise KeyboardInterrupt
    return outcomes[0]


async def _cancel_on_signal(scope: CancelScope) -> None:
    """Ctrl-C as cancellation, which stops workers in order.

    The default, an exception at any bytecode, was rejected: it may hit a trace's write.
    """
    import anyio

    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()
            return


def _single(group: BaseExceptionGroup[Any]) -> BaseException:
    """The one exception in a group that task groups have wrapped, or the group if it holds several."""
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup) and len(found.exceptions) == 1:
        found = found.exceptions[0]
    ours = group.subgroup(ShootdownError) if found is group else None
    return _single(ours) if ours is not None and ours.exceptions != group.exceptions else found
