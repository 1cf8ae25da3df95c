"""The tables beside ``[[faults]]``: ``[link] [swarm] [liveness]``, which say something of all declared faults at once."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cluster.scenario.machine_table import Table
from cluster.scenario.units import PositiveNs
from protocol.faults import FIELDS, Fault


class LinkTable(Table):
    """``[link]``: every link has a layer that retransmits. Faults of links may say otherwise for themselves."""

    retransmit_ns: PositiveNs
    tries: Annotated[int, Field(strict=True, ge=1, le=FIELDS["tries"].greatest)] = Fault("", "").tries


class SwarmTable(Table):
    """``[swarm]``: the seed draws which of the declared faults a run has, each with this chance, and what ``vary`` leaves open of them."""

    percent: Annotated[int, Field(strict=True, ge=0, le=100)] = 50


class LivenessTable(Table):
    """``[liveness]``: from ``heal_ns`` on no fault happens, and ``bound_ns`` later everybody who waited then must have moved."""

    heal_ns: PositiveNs
    bound_ns: PositiveNs
