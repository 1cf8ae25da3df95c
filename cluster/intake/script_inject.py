"""The injections that a script may name: their fields, and which values can be meant.

Names and types are asked of the kernel itself, so that a new injection can be said without a change here. What a field's values mean only
the injection knows: a queue that it does not know it took for another, and a page behind a file's end for one of the file. So the ranges
stand here, and a field that has none takes every value of its type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from actors.homes.page_life import POKED
from actors.kernel.inject import INJECTIONS
from cluster.intake.script_kernel import file_number, fits, parameters_of, word_for
from cluster.intake.tables import Table
from protocol.pages import FLAG_NAMES, VALID_ALL
from protocol.workload import File, Inject

QUEUES = ("active", "inactive", "cache")
COUNT_MAX = (1 << 16) - 1
"""Counts of a page record are u_short, but for act_count."""
FRAMES_MAX = 1 << 40
VALUES = {"wire": COUNT_MAX, "hold": COUNT_MAX, "cow": COUNT_MAX, "act": 255, "dirty": VALID_ALL, "flags": sum(FLAG_NAMES)}
"""The greatest value of each field of a page record that may be injected."""


class Given(NamedTuple):
    """The fields that stand before one, and the script's files."""

    fields: Mapping[str, Any]
    files: Sequence[File]


def injection(table: Table, files: Sequence[File]) -> Inject:
    """An ``[[inject]]`` table: ``what``, and its fields by name; a ``file`` is named as in ``[[file]]``. Raises InputError."""
    what = table.text("what", allowed=sorted(INJECTIONS))
    fields: dict[str, bool | int | str] = {}
    for parameter in parameters_of(INJECTIONS[what]):
        name = parameter.name
        if not table.has(name):
            if parameter.default is parameter.empty:
                table.take(name)
            continue
        value = table.take(name)
        if name == "file":
            value = file_number(table, name, value, files)
        if not fits(value, parameter):
            raise table.error(name, value, word_for(parameter))
        _refuse_impossible(table, what, name, value, Given(fields, files))
        fields[name] = value
    table.finish()
    return Inject(what, fields)


def _refuse_impossible(table: Table, what: str, name: str, value: Any, given: Given) -> None:
    find = ALLOWED.get((what, name))
    if find is None:
        return
    allowed = find(given)
    if value not in allowed:
        words = f"an integer from {allowed.start} to {allowed.stop - 1}" if isinstance(allowed, range) else list(allowed)
        raise table.error(name, value, words)


def _page_of_file(given: Given) -> range:
    return range(given.files[given.fields["file"]].pages)


def _field_value(given: Given) -> range:
    return range(VALUES[given.fields["field"]] + 1)


ALLOWED: dict[tuple[str, str], Callable[[Given], range | Sequence[str]]] = {
    ("file-page", "pindex"): _page_of_file,
    ("file-page", "queue"): lambda _: QUEUES,
    ("page", "pindex"): _page_of_file,
    ("page", "field"): lambda _: tuple(POKED),
    ("page", "value"): _field_value,
    ("free-frames", "frames"): lambda _: range(FRAMES_MAX),
    ("zeroed-frames", "frames"): lambda _: range(FRAMES_MAX),
}
"""By injection and field, the values that can be meant. How many frames the machine has is known where the workload meets it."""
