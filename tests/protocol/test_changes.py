"""The table of changes: 33 and 6, each with names, forms and kinds that are well formed, and needs that name what exists."""

from __future__ import annotations

import pytest

from protocol.changes import CHANGE_BY_SLUG, CHANGES, REMARKS

KINDS = {"bug", "cost", "rule", "detection", "equivalence"}
PMAPS = {"i386", "amd64", "alpha"}


def test_33_changes_and_6_hazards():
    assert list(CHANGES) == [f"C{number:02}" for number in range(1, 34)] + [f"R{number:02}" for number in range(1, 8)]
    assert [change.id for change in CHANGES.values() if change.hazard] == [f"R{number:02}" for number in range(1, 8)]
    assert set(CHANGE_BY_SLUG.values()) == set(CHANGES.values()) and len(CHANGE_BY_SLUG) == len(CHANGES)


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_a_row_is_well_formed(change):
    assert len(change.forms) >= 2 and len({*change.forms, *change.foils}) == len(change.forms) + len(change.foils)
    assert (change.oldest, change.newest) == (change.forms[0], change.forms[-1])
    assert change.kinds and set(change.kinds) <= KINDS and set(change.pmaps) <= PMAPS
    assert change.slug == change.slug.lower() and " " not in change.slug and change.title and not change.title.endswith(".")


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_its_needs_name_forms_that_there_are(change):
    for need in change.exists_with + change.shows_with:
        other = CHANGES[need.other]
        assert need.form in change.forms and set(need.allowed) <= set(other.forms) and need.allowed and need.reason
        assert need.form != change.newest, "the kernel after all changes needs nothing"
        assert not set(other.pmaps) - set(change.pmaps), "what is needed exists on the same pmap"


def test_an_equivalence_has_a_form_made_to_be_told_apart():
    assert [change.id for change in CHANGES.values() if change.kinds[0] == "equivalence"] == ["C21", "C32"]
    assert all(change.foils for change in CHANGES.values() if change.kinds[0] == "equivalence")


def test_remarks_name_forms_that_there_are():
    for remark in REMARKS:
        assert all(form in CHANGES[id].forms for id, form in remark.forms) and remark.text
