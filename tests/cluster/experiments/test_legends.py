"""The legend of a picture explains what is drawn and nothing else."""

from __future__ import annotations

import pytest

from cluster.experiments.diagrams import diagram
from cluster.experiments.form import PictureTable
from cluster.experiments.legends import legend
from cluster.experiments.markdown import escape, linked
from cluster.experiments.stretches import Sought
from cluster.experiments.telling import Step


def page(who, text, **more):
    return Step(0, who, "pq", "page.busy", text, **more)


WORD = Step(9, "I-COW", "pq", "I-COW", "vm page 0x1: sent", spoken=True)
LOCK = Step(0, "a", "cpu.0", "lock.acquire", "+vm page queue mutex pq")


def said(found, sought):
    return legend(diagram(found, sought), found, sought)


def test_of_a_bare_picture_only_its_ends_are_said():
    assert said([page("a", "busy")], Sought()) == "From before the first step that differs, to the end of the run."


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (LOCK, "A bar on a home"),
        (page("a", "page 0x1 busy", counted=True), "● marks"),
        (page("k1.0", "page 0x1 busy"), "`k1.0` is a kernel thread of CPU 1: a daemon"),
    ],
)
def test_what_is_drawn_is_explained(step, words):
    assert words in said([step, page("a", "busy")], Sought())
    assert words not in said([page("a", "busy")], Sought())


def test_that_pages_are_left_out_is_said_where_the_violation_names_one():
    sought = Sought(shows=["I-COW"])
    assert said([page("a", "page 0x1 busy"), WORD], sought).startswith("From before the first step that differs, to the violation.")
    assert "does not name" in said([page("a", "page 0x1 busy"), WORD], sought)
    assert "does not name" not in said([page("a", "page 0x1 busy"), WORD._replace(text="a page is sent")], sought)


def test_a_picture_whose_beginning_is_given_does_not_say_that_it_begins_where_the_arms_differ():
    sought = Sought(costs=True, picture=PictureTable(begins="a *"))
    assert said([page("a", "busy")], sought).startswith("Where it begins to go wrong, to the steps that cost.")


def test_names_of_checks_are_linked_and_others_are_not():
    assert linked("I-BUSY-XOR") == "[I-BUSY-XOR](../checks.md#i-busy-xor)"
    assert linked("panic") == "panic"


def test_markdown_finds_nothing_in_our_words():
    assert escape("a|b *c* <d>") == "a\\|b \\*c\\* &lt;d&gt;"
