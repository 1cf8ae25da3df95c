"""The index of the catalogue of changes, docs/changes/README.md: what a reader must know before the first page, and a row for each."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.experiments.change_pages import Shown
from cluster.experiments.markdown import CHECKS, escape

HEAD = f"""\
{{changes}} changes made to the page and lock protocols of FreeBSD's virtual memory, and {{hazards}} hazards that its code of 2006
kept. Each page tells what was wrong, draws the failing interleaving, and says what the change did and what it is measured to have
done. Pages and figures are written from the experiments, by `shootdown experiments --pages docs/changes`.

The changes are known from messages of commits, of which parts are lost. Two states of the source were read, and are what the pages
call the readable kernels: 5.2-RELEASE of January 2004 and 7.0-CURRENT of March 2006. Which form a change had in each is what can be
said of its date; a form that neither has is a reconstruction, and its page says so under *What is uncertain*.

An experiment runs one scenario in several *arms*, that is, on kernels that differ in the form of this change:

- `before`: with the old form (of a hazard: open), and whatever else must be old for it to show; `after`: with the new one (closed);
- `clean`: with all forms new and without the state, faults or delays that the experiment brings in: nothing may speak there;
- further arms, on the page, are about other forms, other callers, other sizes.

What the change is about is measured as its *figure*, in each arm from the records of the run; before it is run, a formula over the
parameters predicts it. A change is reproduced if every arm shows what it must and nothing else, and each figure is what was predicted.
In the drawings ● marks a step that the figure counts, red what speaks: `I-...` is a [check]({CHECKS}), an invariant that the
laboratory watches; `panic` the modelled kernel's own panic, or an assertion of it that failed. *kind*: a `bug` is gone, a `cost`
falls, a `rule` holds that did not, a `detection` comes sooner, an `equivalence` makes no difference that can be seen.
"""


def index_page(rows: list[str]) -> Iterator[str]:
    """docs/changes/README.md, from the rows of all changes."""
    changes, hazards = ([row for row in rows if row.startswith(f"| [{letter}")] for letter in "CR")
    yield "# The catalogue of changes"
    yield ""
    yield from HEAD.format(changes=len(changes), hazards=len(hazards)).splitlines()
    for head, part in (("Changes", changes), ("Hazards left in the 2006 code", hazards)):
        yield from ("", f"## {head}", "", "| id | slug | kind | when | what | before | after | figure |")
        yield "|---|---|---|---|---|--:|--:|---|"
        yield from part


def index_row(shown: Shown) -> str:
    """A change's row of the index."""
    experiment, change = shown.experiment, shown.experiment.change
    figures = [shown.arms[arm].figure for arm in ("before", "after")]
    before, after = ("" if figure is None else f"{figure:,}" for figure in figures)
    cells = [
        f"[{change.id}]({change.id}.md)",
        change.slug,
        ", ".join(change.kinds),
        escape(experiment.table.dated),
        escape(experiment.title),
    ]
    return f"| {' | '.join([*cells, before, after, escape(experiment.table.figure.name)])} |"
