"""The kernel routines and injections that a script may name, and the arguments they take.

Asked of the kernel itself, not listed here, so that a new routine can be said in a script without a change to the compiler; and asked
before the run, so that a wrong name is a sentence about the script's key and not a failure in the middle of a run.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from actors.kernel.inject import INJECTIONS
from actors.kernel.step import SCRIPTED
from cluster.intake.tables import Table
from protocol.points import POINTS
from protocol.workload import Inject, Kernel

WORDS = {"int": "an integer", "str": "text", "bool": "true or false"}


def kernel_step(table: Table, files: Mapping[str, int]) -> Kernel:
    """A step inside the kernel: ``routine`` and its ``arguments``, in order or by name. Raises InputError.

    An argument called ``file`` (or ``..._file``) is a file of the script, by its name.
    """
    name = table.text("routine", allowed=sorted(SCRIPTED))
    wanted = _parameters(SCRIPTED[name])
    given = _in_order(table, wanted)
    values = []
    for value, parameter in zip(given, wanted):
        if parameter.name.endswith("file") and isinstance(value, str):
            value = _file(table, "arguments", value, files)
        if not _fits(value, parameter):
            raise table.error("arguments", value, f"{_word(parameter)} for {parameter.name}")
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


def _file(table: Table, key: str, name: str, files: Mapping[str, int]) -> int:
    if name not in files:
        raise table.error(key, name, list(files) or "a [[file]] table of this name")
    return files[name]


def point(table: Table) -> str:
    """``at``: a named point of a kernel routine. Raises InputError."""
    return table.text("at", allowed=sorted(POINTS))


def injection(table: Table, files: Mapping[str, int]) -> Inject:
    """An ``[[inject]]`` table: ``what``, and its fields by name; a ``file`` is named as in ``[[file]]``. Raises InputError."""
    what = table.text("what", allowed=sorted(INJECTIONS))
    fields: dict[str, bool | int | str] = {}
    for parameter in _parameters(INJECTIONS[what]):
        if not table.has(parameter.name):
            if parameter.default is parameter.empty:
                table.take(parameter.name)
            continue
        value = table.take(parameter.name)
        if parameter.name == "file" and isinstance(value, str):
            value = _file(table, "file", value, files)
        if not _fits(value, parameter):
            raise table.error(parameter.name, value, _word(parameter))
        fields[parameter.name] = value
    table.finish()
    return Inject(what, fields)


def _parameters(routine: Callable[..., Any]) -> list[inspect.Parameter]:
    """What a routine takes besides the kernel's context."""
    return list(inspect.signature(routine).parameters.values())[1:]


def _fits(value: object, parameter: inspect.Parameter) -> bool:
    """Is the value of the annotated type? A bool is no integer. Unannotated parameters take any scalar."""
    name = type(value).__name__
    return name == parameter.annotation if parameter.annotation in WORDS else name in WORDS


def _word(parameter: inspect.Parameter) -> str:
    return WORDS.get(str(parameter.annotation), "an integer, text, true or false")


def _listed(parameters: list[inspect.Parameter]) -> str:
    return ", ".join(f"{parameter.name} ({_word(parameter)})" for parameter in parameters) or "nothing"
