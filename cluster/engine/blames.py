"""Why a run over several processes failed: the one worker that failed of itself, not those that noticed.

When one worker fails, its peers see their links end and say so, perhaps before it does. So the cause is looked for a little longer.
"""

from __future__ import annotations

from collections.abc import Callable

from cluster.engine.control import Failed
from cluster.errors import RunError, ShootdownError


class Blames:
    """What each worker said when it could not go on; None for one whose connection just ended."""

    def __init__(self) -> None:
        self._said: dict[int, Failed | None] = {}

    def __bool__(self) -> bool:
        return bool(self._said)

    def add(self, rank: int, said: Failed | None) -> None:
        """Worker ``rank`` cannot go on. Its first words count."""
        self._said.setdefault(rank, said)

    def cause_known(self) -> bool:
        """Somebody has failed of itself, not because a peer was gone."""
        return any(blame is None or not blame.peer for blame in self._said.values())

    def failure(self, how_it_ended: Callable[[int], str]) -> ShootdownError:
        """The run's error: of who failed of itself, else of who died (``how_it_ended`` says in words), else of who noticed."""
        own = {rank: blame for rank, blame in self._said.items() if blame is not None and not blame.peer}
        if own:
            rank = min(own)
            return own[rank].error(rank)
        dead = sorted(rank for rank, blame in self._said.items() if blame is None)
        if dead:
            how = how_it_ended(dead[0])
            return RunError(f"worker {dead[0]} {how} before the run was over", key=f"worker {dead[0]}", found=how)
        rank, blame = min(self._said.items())
        assert blame is not None
        return blame.error(rank)
