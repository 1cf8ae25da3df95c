"""A file of faults alone: ``[[faults]]`` and, if wanted, ``[link]``, as in a scenario, for a run that is forked off another.

No ``[swarm]`` and no ``[liveness]``: who forks a run chooses what happens in it, and the bound of the original's liveness stands.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from cluster.scenario.cross import faults_of
from cluster.scenario.fault_tables import LinkTable
from cluster.scenario.machine_table import Table
from cluster.scenario.read import parse, read_text
from cluster.scenario.refusal import Place, refusal_of
from cluster.scenario.tables import FaultTable
from protocol.faults import Fault
from protocol.machine import Machine


class FaultsTable(Table):
    """The whole of the file."""

    faults: list[FaultTable]
    link: LinkTable | None = None

    @property
    def liveness(self) -> None:
        """There is none."""


def load_faults(path: str | Path, machine: Machine) -> tuple[Fault, ...]:
    """The faults that ``path`` declares, for this machine. Raises InputError."""
    text = read_text(Path(path), "faults", "[[faults]]")
    place = Place(str(path), text)
    try:
        table = FaultsTable.model_validate(parse(text, str(path), "faults"))
    except ValidationError as error:
        raise refusal_of(error, FaultsTable, place) from None
    return tuple(declared.fault for declared in faults_of(table, machine, place))
