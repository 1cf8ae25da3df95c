"""Synthetic workloads: a name, parameters and a seed in, a compiled workload out."""

from __future__ import annotations

from cluster.errors import InputError
from cluster.intake.generators import fault_storm, file_read, fork_cow, kernel_mix, map_churn, memory_pressure
from cluster.intake.generators.base import Generator, Parameter

GENERATORS: dict[str, Generator] = {
    module.GENERATOR.name: module.GENERATOR for module in (fault_storm, map_churn, fork_cow, file_read, memory_pressure, kernel_mix)
}
"""By name, in the order in which they are listed to people."""


def generator(name: str) -> Generator:
    """The generator called ``name``; hyphens are as good as underscores. Raises InputError."""
    found = GENERATORS.get(name.replace("-", "_"))
    if found is None:
        sentence = f"workload.generator: found {name!r}, allowed: {', '.join(GENERATORS)}"
        raise InputError(sentence, key="workload.generator", found=name, allowed=list(GENERATORS))
    return found


__all__ = ["GENERATORS", "Generator", "Parameter", "generator"]
