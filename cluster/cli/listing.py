"""``shootdown list``: what there is, by kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from cluster.cli.options import Json
from cluster.cli.output import print_json, say, table

Rows = list[dict[str, Any]]
KindArgument = Annotated[str | None, typer.Argument(metavar="KIND", help="One kind only; default: all.", show_default=False)]


def command(kind: KindArgument = None, as_json: Json = False) -> None:
    """List scenarios, recordings, generators, machines, kernels, changes, checks, metrics, faults, strategies."""
    if kind is not None and kind not in KINDS:
        from cluster.scenario.refusal import refuse

        raise refuse("list", "KIND", kind, KINDS)
    found = {name: rows() for name, rows in KINDS.items() if kind in (None, name)}
    if as_json:
        print_json(found if kind is None else found[kind])
        return
    for name, rows_found in found.items():
        head = list(rows_found[0]) if rows_found else ["(none in this version)"]
        say(name, *table(head, [[_shown(row[key]) for key in head] for row in rows_found]), "")


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _scenarios() -> Rows:
    import tomllib

    from cluster.scenario.places import names

    return [{"name": name, "title": tomllib.loads(path.read_text("utf-8")).get("title", "")} for name, path in names("scenarios").items()]


def _recordings() -> Rows:
    from cluster.scenario.places import names

    return [{"name": name, "bytes": path.stat().st_size} for name, path in names("recordings").items()]


def _generators() -> Rows:
    from cluster.intake.generators import GENERATORS

    return [{"name": name, "parameters": [f"{p.name}={p.default}" for p in found.parameters]} for name, found in GENERATORS.items()]


def _machines() -> Rows:
    from cluster.scenario.machine_table import MachineTable
    from cluster.scenario.places import names
    from cluster.scenario.read import with_preset

    rows = []
    for name in names("machines"):
        table = MachineTable.model_validate(with_preset({"preset": name}, name))
        rows.append({"name": name, "cpus": table.cpus, "domains": table.domains, "frames": table.frames_total, "pmap": table.pmap})
    return rows


def _kernels() -> Rows:
    from protocol.kernels import PRESETS

    newest = PRESETS["repaired"]
    rows = []
    for name, forms in PRESETS.items():
        old = [f"{key}={form}" for key, form in forms.items() if form != newest[key]]
        rows.append({"name": name, "older than repaired": old})
    return rows


def _changes() -> Rows:
    from protocol.changes import CHANGES

    return [
        {"id": c.id, "slug": c.slug, "kinds": list(c.kinds), "forms": list(c.forms), "pmap": list(c.pmaps) or ["any"], "title": c.title}
        for c in CHANGES.values()
    ]


def _checks() -> Rows:
    from protocol.checks.registry import CHECKS

    return [{"name": name, "title": _statement(check.__doc__)} for name, check in sorted(CHECKS.items())]


def _metrics() -> Rows:
    from cluster.inspect.tally import metric_names

    return [{"name": name, "meaning": meaning} for name, meaning in metric_names().items()]


def _faults() -> Rows:
    from protocol.faults import KINDS

    return [
        {"kind": word, "needs": list(kind.needs), "takes": list(kind.takes), "of": kind.scope, "does": kind.meaning}
        for word, kind in KINDS.items()
    ]


def _strategies() -> Rows:
    return []


def _statement(text: str | None) -> str:
    """The first sentence of a check's docstring, which is what must hold."""
    words = " ".join((text or "").split()).removeprefix("Statement: ")
    return words.partition(". ")[0].rstrip(".")


KINDS: dict[str, Callable[[], Rows]] = {
    "scenarios": _scenarios,
    "recordings": _recordings,
    "generators": _generators,
    "machines": _machines,
    "kernels": _kernels,
    "changes": _changes,
    "checks": _checks,
    "metrics": _metrics,
    "faults": _faults,
    "strategies": _strategies,
}
