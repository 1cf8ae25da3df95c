"""A run taken again to an instant, in this process: what ``state`` prints and ``fork`` goes on from.

A run is a pure function of its plan, so any instant is reached by running up to it, from the nearest cut or the beginning. Keeping every
state that somebody might ask for was rejected: it is the whole run, a hundred times over.
"""

from __future__ import annotations

from collections.abc import Sequence

from cluster.engine.ending import STOPPED, Ending
from cluster.engine.share import Share
from cluster.engine.snapshot import ShareState
from cluster.engine.transport_local import AloneTransport
from cluster.plan import Plan


async def advance(plan: Plan, states: Sequence[ShareState] | None, at_ns: int) -> tuple[Share, Ending | None]:
    """A share that holds the whole run of ``plan`` (of one worker) as it is before ``at_ns``, and its end if it ended before that.

    ``states``: a cut from which to start, at or before the instant. Raises RunError if the run cannot be carried out.
    """
    share = Share(plan, 0, AloneTransport(), states=list(states) if states is not None else None)
    share.loop.stop_ns = at_ns
    ending = await share.loop.run()
    return share, None if ending.ended == STOPPED else ending
