"""The catalogue of changes: one page in Markdown for each, written from its experiment's file and from the runs just measured.

Nothing is written by hand, so that no page can say what the laboratory does not show; and nothing that changes without a reason (digests,
times on the wall, paths) is in them, so that a page written again is the same to the byte.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cluster.experiments.diagrams import diagram
from cluster.experiments.experiment import Experiment
from cluster.experiments.judging import ArmResult, figure_in_words
from cluster.experiments.legends import legend
from cluster.experiments.markdown import escape, linked
from cluster.experiments.stories import common
from cluster.experiments.stretches import Sought
from cluster.experiments.telling import named
from protocol.changes import CHANGES, Change

WORDS_MAX = 6
"""How many checks' words a page quotes."""
MAIN = ("before", "after", "clean")


@dataclass(frozen=True)
class Shown:
    """An experiment that has been run, its steps kept. ``against``: why it is not reproduced."""

    experiment: Experiment
    arms: Mapping[str, ArmResult]
    against: list[str]


def change_page(shown: Shown) -> Iterator[str]:
    """The lines of a change's page."""
    experiment, change = shown.experiment, shown.experiment.change
    yield f"# {change.id} {change.slug}: {escape(experiment.title)}"
    yield ""
    yield from _facts(experiment)
    for reason in shown.against:
        yield f"\n**Not reproduced:** {escape(reason)}"
    yield from _section("What was wrong", _flowed(experiment.table.wrong))
    yield from _failing(shown)
    yield from _section("What was done about it" if change.hazard else "What the change did", _flowed(experiment.table.did))
    yield from _measured(shown)
    yield from _further(shown)
    if experiment.table.uncertain:
        yield from _section("What is uncertain", _flowed(experiment.table.uncertain))
    yield from _section("Run it", *_commands(experiment))
    yield ""
    yield f"Written by `shootdown experiments --pages DIRECTORY` from `configs/experiments/{experiment.place.file.rpartition('/')[2]}`."


def _facts(experiment: Experiment) -> Iterator[str]:
    change = experiment.change
    old, new = ("open", "closed") if change.hazard else ("oldest", "newest")
    yield "| | |"
    yield "|---|---|"
    yield f"| kind | {', '.join(change.kinds)} |"
    yield f"| when | {escape(experiment.table.dated)} |"
    forms = [f"`{form}`" for form in change.forms]
    forms[0], forms[-1] = f"{forms[0]} ({old})", f"{forms[-1]} ({new})"
    yield f"| forms | {', '.join(forms)}{_foils(change)} |"
    yield f"| page tables | {', '.join(change.pmaps) or 'any'} |"
    for need in change.exists_with:
        yield f"| `{need.form}` exists only with | {need.other} = {_either(need.allowed)}: {escape(need.reason)} |"
    for need in change.shows_with:
        yield f"| `{need.form}` shows only with | {need.other} = {_either(need.allowed)}: {escape(need.reason)} |"


def _foils(change: Change) -> str:
    return "".join(f"; `{foil}`, which no kernel had" for foil in change.foils)


def _either(forms: tuple[str, ...]) -> str:
    return " or ".join(f"`{form}`" for form in forms)


def _failing(shown: Shown) -> Iterator[str]:
    """The picture of the arm that fails, and what spoke; of an equivalence that nothing does."""
    arm = drawn_arm(shown.experiment)
    if arm is None:
        yield from _section("How it fails", "It does not: what is shown is that the forms cannot be told apart.")
        return
    table, result = shown.experiment.arms[arm], shown.arms[arm]
    head = "What it costs, step by step" if _costs(shown.experiment) else "How it fails"
    yield from _section(head, f"Arm `{arm}`{f', {escape(table.title)}' if table.title else ''}: {old_forms(result)}.", "", "```mermaid")
    sought = Sought(shown.arms[_like(shown, arm)].steps, table.shows, _costs(shown.experiment), shown.experiment.table.picture)
    lines = diagram(result.steps, sought)
    yield from lines
    yield "```"
    yield ""
    yield legend(lines, result.steps, sought)
    yield from _words(result)


def _costs(experiment: Experiment) -> bool:
    """Is it what the change saves that is drawn, and not a failure?"""
    return experiment.change.kinds[0] == "cost"


def drawn_arm(experiment: Experiment) -> str | None:
    """The arm whose failing is drawn: ``before``, or the first that shows something of an equivalence; None if none does."""
    if experiment.change.kinds[0] != "equivalence":
        return "before"
    return next((name for name, table in experiment.arms.items() if table.shows), None)


def _like(shown: Shown, arm: str) -> str:
    """The arm with which the drawn one is compared: ``after``, or the one that begins like it for longest."""
    if arm == "before":
        return "after"
    others = [name for name in shown.arms if name != arm]
    return max(others, key=lambda name: common(shown.arms[arm].steps, shown.arms[name].steps))


def _words(result: ArmResult) -> Iterator[str]:
    """The first words of each check that spoke, in the order in which they spoke."""
    firsts = {said.check: said for said in reversed(result.said)}
    spoke = sorted(firsts.values(), key=lambda said: (said.time_ns, said.check))
    if not spoke:
        return
    yield ""
    yield "What spoke, in this order:"
    yield ""
    for said in spoke[:WORDS_MAX]:
        count = sum(other.check == said.check for other in result.said)
        times = f" ({count} times)" if count > 1 else ""
        yield f"- {linked(said.check)}{times}: {escape(named(said.message, result.tasks))}"


def _measured(shown: Shown) -> Iterator[str]:
    experiment = shown.experiment
    figure = experiment.table.figure
    about = f", {escape(figure.about)}" if figure.about else ""
    yield from _section("Measured", f"The figure: {escape(figure.name)} ({figure.unit}){about}.", "")
    yield "| arm | forms that are not the newest | measured | predicted | formula | spoke | ended |"
    yield "|---|---|--:|--:|---|---|---|"
    for arm in MAIN:
        yield f"| {arm} | {old_forms(shown.arms[arm])} | {_numbers(shown, arm)} |"
    if not experiment.table.parameters:
        return
    yield ""
    yield "Its parameters:"
    yield ""
    yield "| parameter | value | from | to | is |"
    yield "|---|--:|--:|--:|---|"
    for name, parameter in experiment.table.parameters.items():
        value = experiment.values[name]
        yield f"| `{name}` | {value:,} | {parameter.min:,} | {parameter.max:,} | {escape(parameter.meaning)} |"


def _further(shown: Shown) -> Iterator[str]:
    further = [arm for arm in shown.experiment.arms if arm not in MAIN]
    if not further:
        return
    yield from _section("Further arms", "| arm | shows | figure | measured | predicted | formula | spoke | ended |")
    yield "|---|---|---|--:|--:|---|---|---|"
    for arm in further:
        figure = shown.experiment.figure(arm)
        title = shown.experiment.arms[arm].title or old_forms(shown.arms[arm])
        name = "as above" if figure == shown.experiment.table.figure else f"{escape(figure.name)} ({figure.unit})"
        yield f"| {arm} | {escape(title)} | {name} | {_numbers(shown, arm)} |"


def _numbers(shown: Shown, arm: str) -> str:
    result, table = shown.arms[arm], shown.experiment.arms[arm]
    predicted = shown.experiment.predicted(arm)
    formula = f"`{table.predict}`" if table.predict is not None else ""
    cells = [figure_in_words(result, ""), "" if predicted is None else f"{predicted:,}"]
    return " | ".join([*cells, formula, ", ".join(map(linked, sorted(result.spoke))) or "nothing", result.ended])


def old_forms(result: ArmResult) -> str:
    """The forms of an arm that are not the newest."""
    old = [f"{name} = {form}" for name, form in result.forms.items() if form != CHANGES[name].newest]
    return ", ".join(old) or "all forms new"


def _commands(experiment: Experiment) -> Iterator[str]:
    name, table = experiment.change.id, experiment.table
    sets = "".join(f" --set {key}={value}" for key, value in experiment.values.items() if value != table.parameters[key].value)
    yield f"    shootdown experiments {name}{sets}"
    yield f"    shootdown experiments {name}{sets} --explain"
    other = next(((key, one.max) for key, one in table.parameters.items() if one.max != one.min and one.max <= 100), None)
    if other is not None and not table.needs and experiment.change.kinds[0] != "equivalence":
        yield f"    shootdown experiments {name} --set {other[0]}={other[1]}"
    if table.density is not None:
        yield f"    shootdown density {name}"


def _section(head: str, *lines: str) -> Iterator[str]:
    yield ""
    yield f"## {head}"
    yield ""
    yield from lines


def _flowed(text: str) -> str:
    return escape(" ".join(text.split()))
