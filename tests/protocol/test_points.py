"""What is said of a point is said where a thread is held, whatever forms are in force: a claim on one of them names it."""

from __future__ import annotations

import re

import pytest

from protocol.changes import CHANGES
from protocol.points import POINTS

OF_A_FORM = re.compile(r"\b([CR][0-9]{2})([^:;,()]*):")


@pytest.mark.parametrize("point", POINTS)
def test_what_is_true_of_one_form_only_names_the_form(point):
    for name, form in OF_A_FORM.findall(POINTS[point]):
        assert form.strip() in CHANGES[name].forms, f"{point}: {name}{form}"


def test_the_claims_that_are_of_a_form_are_found():
    found = {name for words in POINTS.values() for name, _ in OF_A_FORM.findall(words)}
    assert found >= {"C11", "C14", "C15", "C30", "R02"}
