"""An experiment explained: what was wrong, both runs step by step in the kernel's words, what it cost, what the change did."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cluster.experiments.judging import figure_in_words
from cluster.experiments.stories import story

if TYPE_CHECKING:
    from shootdown.experimenting import Reproduction

WIDTH = 120


def explained(done: Reproduction) -> Iterator[str]:
    """The lines of ``experiments ID --explain``."""
    experiment, table = done.experiment, done.experiment.table
    change = experiment.change
    yield f"{change.id} {change.slug} ({', '.join(change.kinds)}): {experiment.title}"
    yield ""
    yield from _wrapped("was wrong: ", table.wrong)
    yield from _wrapped("the change: ", table.did)
    if table.uncertain:
        yield from _wrapped("uncertain: ", table.uncertain)
    values = ", ".join(f"{name} = {value}" for name, value in experiment.values.items())
    yield f"parameters: {values or 'none'}"
    for arm in experiment.arms:
        yield from _arm(done, arm)
    yield ""
    yield "reproduced" if done.reproduced else "NOT reproduced:"
    yield from (f"  {reason}" for reason in done.against)


def _arm(done: Reproduction, arm: str) -> Iterator[str]:
    table, result, figure = done.experiment.arms[arm], done.arms[arm], done.experiment.figure(arm)
    old = [f"{name} = {form}" for name, form in result.forms.items() if form != _newest(name)]
    yield ""
    yield f"--- {arm}{f' ({table.title})' if table.title else ''}: {', '.join(old) or 'all forms new'}"
    yield f"{'ns':>12}  {'who':<12} what"
    yield from story(arm, {name: one.steps for name, one in done.arms.items()})
    spoke = ", ".join(sorted(result.spoke)) or "nothing"
    yield f"  ended {result.ended}; spoke: {spoke}"
    yield f"  {figure.name} ({figure.unit}): {figure_in_words(result)}{_predicted(done, arm)}"


def _predicted(done: Reproduction, arm: str) -> str:
    number, formula = done.experiment.predicted(arm), done.experiment.arms[arm].predict
    if number is None or formula is None:
        return ""
    return f"; predicted {number:,}{'' if formula.isdecimal() else f' = {formula}'}"


def _newest(name: str) -> str:
    from protocol.changes import CHANGES

    return CHANGES[name].newest


def _wrapped(head: str, text: str) -> list[str]:
    return textwrap.wrap(" ".join(text.split()), WIDTH, initial_indent=head, subsequent_indent=" " * len(head))
