"""The kernel routines that a script may name, and the arguments they take.

Asked of the kernel itself, not listed here, so that a new routine can be said in a script without a change to the compiler; and asked
before the run, so that a wrong name is a sentence about the script's key and not a failure in the middle of a run.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from actors.kernel.step import SCRIPTED
from cluster.intake.tables import Table
from protocol.points import POINTS
from protocol.workload import File, Kernel

WORDS = {"int": "an integer", "str": "text", "bool": "true or false"}


def kernel_step(table: Table, files: Sequence[File]) -> Kernel:
    """A step inside the kernel: ``routine`` and its ``arguments``, in order or by name. Raises InputError.

    An argument called ``file`` (or ``..._file``) is a file of the script, by its name or number.
    """
    name = table.text("routine", allowed=sorted(SCRIPTED))
    wanted = parameters_of(SCRIPTED[name])
    given = _in_order(table, wanted)
    values = []
    for value, parameter in zip(given, wanted):
        if parameter.name.endswith("file"):
            value = file_number(table, "arguments", value, files)
        if not fits(value, parameter):
            raise table.error("arguments", value, f"{word_for(parameter)} for {parameter.name}")
        values.append(value)
    return Kernel(routine=name, arguments=tuple(values))


def _in_order(table: Table, wanted: list[inspect.Parameter]) -> list[Any]:
    """The arguments as they follow each other; those that are left out in the middle get their defaults."""
    given = table.take("arguments", [])
    least = [parameter.name for parameter in wanted if parameter.default is parameter.empty]
    if isinstance(given, Mapping):
        names = [parameter.name for parameter in wanted]
        if not set(least) <= set(given) <= set(names):
            raise table.error("arguments", given, f"a table: {_listed(wanted)}")
        last = max((names.index(name) for name in given), default=-1)
        return [given.get(parameter.name, parameter.default) for parameter in wanted[: last + 1]]
    if not isinstance(given, list) or not len(least) <= len(given) <= len(wanted):
        raise table.error("arguments", given, f"a list, or a table: {_listed(wanted)}")
    return given


def file_number(table: Table, key: str, value: Any, files: Sequence[File]) -> Any:
    """The number of a script's file, given by its name or number; what is neither stays as it is. Raises InputError if there is none."""
    names = [file.name for file in files]
    if isinstance(value, str) and value in names:
        return names.index(value)
    if isinstance(value, str) or (type(value) is int and not 0 <= value < len(files)):
        raise table.error(key, value, names or "a [[file]] table of this name")
    return value


def point(table: Table) -> str:
    """``at``: a named point of a kernel routine. Raises InputError."""
    return table.text("at", allowed=sorted(POINTS))


def parameters_of(routine: Callable[..., Any]) -> list[inspect.Parameter]:
    """What a routine takes besides the kernel's context."""
    return list(inspect.signature(routine).parameters.values())[1:]


def fits(value: object, parameter: inspect.Parameter) -> bool:
    """Is the value of the annotated type? A bool is no integer. Unannotated parameters take any scalar."""
    name = type(value).__name__
    return name == parameter.annotation if parameter.annotation in WORDS else name in WORDS


def word_for(parameter: inspect.Parameter) -> str:
    """Of what type an argument is, in words."""
    return WORDS.get(str(parameter.annotation), "an integer, text, true or false")


def _listed(parameters: list[inspect.Parameter]) -> str:
    return ", ".join(f"{parameter.name} ({word_for(parameter)})" for parameter in parameters) or "nothing"
