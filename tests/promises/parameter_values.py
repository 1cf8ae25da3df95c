"""At which values of an experiment's parameters it is tried: the least, a middle and the greatest of each, and all of them at once.

Parameters that need one another (``[[needs]]``) are moved together: where a value alone is refused, the others go to an end of theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

from cluster.errors import InputError
from cluster.experiments.experiment import Experiment, experiment_files, load_experiment
from cluster.experiments.form import ParameterTable

Values = Mapping[str, int]
LONG = {"C21": {"schedules": 1, "pages": 64}, "C32": {"schedules": 2, "pages": 30}}
"""Equivalences run every form on every schedule: up to which values the suite tries them. The long form tries all."""


def at_ends(id: str) -> list[Values]:
    """The sets of values at which this experiment is tried, each one once; its own values are the first."""
    experiment = load_experiment(id)
    found = [dict(experiment.values)]
    for values in (*_one_at_a_time(experiment), *_all_at_once(experiment)):
        if values not in found:
            found.append(values)
    return found


def is_long(id: str, values: Values) -> bool:
    """Is this more than the suite has time for?"""
    return any(values[name] > most for name, most in LONG.get(id, {}).items())


def tried(long: bool) -> list[tuple[str, Values]]:
    """(id, values) of every experiment, for the suite or for the long form."""
    return [(id, values) for id in experiment_files() for values in at_ends(id) if is_long(id, values) == long]


def named(id: str, values: Values) -> str:
    """As a test is called."""
    return "-".join([id, *(f"{name}={value}" for name, value in values.items())])


def three(parameter: ParameterTable) -> tuple[int, int, int]:
    """The least, a middle and the greatest value."""
    return parameter.min, (parameter.min + parameter.max) // 2, parameter.max


def _one_at_a_time(experiment: Experiment) -> Iterator[dict[str, int]]:
    for name, parameter in experiment.table.parameters.items():
        for value in three(parameter):
            yield _with_others(experiment, name, value)


def _with_others(experiment: Experiment, name: str, value: int) -> dict[str, int]:
    """The value beside the others' own values, or else beside the first that it can stand beside."""
    others = [other for other in experiment.table.parameters if other != name]
    choices = [dict.fromkeys((experiment.values[other], *three(experiment.table.parameters[other]))) for other in others]
    for chosen in product(*choices):
        values = {**experiment.values, name: value, **dict(zip(others, chosen))}
        if is_allowed(experiment.change.id, values):
            return values
    raise AssertionError(f"{experiment.change.id}: no experiment has {name} = {value}")


def _all_at_once(experiment: Experiment) -> Iterator[dict[str, int]]:
    for place in range(3):
        values = {name: three(parameter)[place] for name, parameter in experiment.table.parameters.items()}
        if is_allowed(experiment.change.id, values):
            yield values


def is_allowed(id: str, values: Values) -> bool:
    """Do the values go together?"""
    try:
        load_experiment(id, values)
    except InputError:
        return False
    return True
