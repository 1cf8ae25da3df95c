"""What an experiment file names and does not exist: metrics, kinds of record and their fields, checks.

Looked at when the file is read. A figure that counts records of a kind that nobody makes is 0 in every arm, and 0 may well be what a
formula predicts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from cluster.experiments.form import PANIC, ExperimentTable, FigureTable, RecordsTable
from cluster.inspect.tally import metric_names
from cluster.scenario.checks_named import known_checks
from cluster.scenario.refusal import Place
from protocol.records import KINDS


def refuse_unknown(table: ExperimentTable, place: Place) -> None:
    """Raises InputError for the first name that nothing has."""
    for key, figure in _figures(table):
        _refuse_in_figure(figure, key, place)
    _refuse_checks(filter(None, [table.picture.check]), "picture.check", place)
    for name, arm in table.arms.items():
        _refuse_checks(arm.shows, f"arms.{name}.shows", place)
        _refuse_checks(arm.may, f"arms.{name}.may", place)
    for index, check in enumerate(table.density.ignores if table.density is not None else ()):
        if check not in known_checks():
            raise place.refuse(f"density.ignores[{index}]", check, known_checks(), "no check is called so")


def _figures(table: ExperimentTable) -> Iterator[tuple[str, FigureTable]]:
    yield "figure", table.figure
    for name, arm in table.arms.items():
        if arm.figure is not None:
            yield f"arms.{name}.figure", arm.figure


def _refuse_in_figure(figure: FigureTable, key: str, place: Place) -> None:
    if figure.metric and figure.metric not in metric_names():
        raise place.refuse(f"{key}.metric", figure.metric, "a metric of `shootdown list metrics`", "no metric is called so")
    if figure.violations and figure.violations not in known_checks():
        raise place.refuse(f"{key}.violations", figure.violations, known_checks(), "no check is called so")
    _refuse_checks(figure.until, f"{key}.until", place)
    for index, pattern in enumerate(figure.decisions):
        _fields(pattern, f"{key}.decisions[{index}]", place)
    if figure.since is not None:
        _refuse_in_records(figure.since, f"{key}.since", place)
    if figure.records is not None:
        _refuse_in_records(figure.records, f"{key}.records", place)
        _refuse_field(figure.records, figure.sum or figure.max, f"{key}.{'sum' if figure.sum else 'max'}", place)


def _refuse_in_records(wanted: RecordsTable, key: str, place: Place) -> None:
    _fields(wanted.kind, f"{key}.kind", place)
    for field in wanted.where:
        _refuse_field(wanted, field, f"{key}.where.{field}", place)


def _refuse_field(wanted: RecordsTable, field: str, key: str, place: Place) -> None:
    known = _fields(wanted.kind, key, place)
    if field and field not in known:
        raise place.refuse(key, field, known, f"records {wanted.kind} have no such field")


def _fields(pattern: str, key: str, place: Place) -> list[str]:
    """The fields of the kinds of record that are like the pattern. Raises InputError if none is."""
    kinds = [kind for kind in KINDS.values() if fnmatchcase(kind.name, pattern)]
    if not kinds:
        raise place.refuse(key, pattern, sorted(kind.name for kind in KINDS.values()), "no kind of record is called so")
    return sorted({field for kind in kinds for field in kind.fields})


def _refuse_checks(names: Iterable[str], key: str, place: Place) -> None:
    for index, name in enumerate(names):
        if name != PANIC and name not in known_checks():
            raise place.refuse(f"{key}[{index}]", name, [PANIC, *known_checks()], "no check is called so")
