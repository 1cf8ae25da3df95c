"""Kernels chosen: presets, forms with what they need, and what never stood together refused with its reason."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.changes import CHANGES
from protocol.kernels import PRESETS, KernelError, applicable, change_called, choose, kernel

ANYWHERE = [id for id, change in CHANGES.items() if not change.pmaps]
PMAPS = ("amd64", "i386", "alpha")


def stands(forms):
    """Does every form stand beside one that it needs to exist?"""
    needs = [(change.id, need) for change in CHANGES.values() for need in change.exists_with]
    return all(forms[id] != need.form or forms[need.other] in need.allowed for id, need in needs)


# Presets ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_has_one_known_form_of_every_change_and_stands(preset):
    forms = PRESETS[preset]
    assert set(forms) == set(CHANGES) and all(forms[id] in change.forms for id, change in CHANGES.items())
    assert stands(forms)
    for pmap in PMAPS:
        assert choose(preset, pmap=pmap).brought == {}


def test_what_the_presets_are():
    newest = {id: change.newest for id, change in CHANGES.items()}
    assert PRESETS["repaired"] == newest
    assert {id for id, form in PRESETS["freebsd-2006"].items() if form != newest[id]} == {id for id in CHANGES if id.startswith("R")}
    old = {id for id, form in PRESETS["freebsd-2004"].items() if form == CHANGES[id].oldest}
    assert set(CHANGES) - old == {"C19", "C22", "C28", "C29", "C30", "C31", "C32", "C33"}


def test_old_forms_of_another_pmap_are_ignored_and_said_to_be():
    chosen = choose("freebsd-2004", pmap="amd64")
    assert chosen.ignored == ("C09", "C10", "C14", "C15")
    assert all(chosen.forms[id] == CHANGES[id].newest for id in chosen.ignored)
    assert choose("freebsd-2004", pmap="i386").ignored == ("C14", "C15")
    assert choose("freebsd-2004", pmap="alpha").ignored == ("C09", "C10")


def test_an_unknown_preset():
    with pytest.raises(KernelError) as raised:
        choose("freebsd-5")
    assert (raised.value.found, raised.value.allowed) == ("freebsd-5", ["freebsd-2004", "freebsd-2006", "repaired"])


# Changes ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", CHANGES)
def test_a_change_is_called_by_id_in_any_case_and_by_slug(id):
    change = CHANGES[id]
    assert change_called(id) is change_called(id.lower()) is change_called(change.slug) is change


@pytest.mark.parametrize("name", ["", "C00", "C34", "R00", "contig", "C1", " C01"])
def test_an_unknown_change_is_told_all(name):
    with pytest.raises(KernelError) as raised:
        change_called(name)
    assert raised.value.found == name and len(raised.value.allowed) == len(CHANGES)


@pytest.mark.parametrize("id", CHANGES)
def test_a_change_is_reverted_alone_and_applied_again(id):
    change = CHANGES[id]
    pmap = change.pmaps[0] if change.pmaps else "amd64"
    before = choose(revert=[id], pmap=pmap)
    assert before.forms[id] == change.oldest and stands(before.forms)
    changed = {other for other, form in before.forms.items() if form != PRESETS["repaired"][other]}
    assert changed == {id, *before.brought}
    assert kernel(apply=[change.slug], pmap=pmap) == PRESETS["repaired"]


@pytest.mark.parametrize(
    ("forms", "brought"),
    [
        ({"C03": "busy-once"}, {"C01": "busy-first"}),
        ({"C04": "busy-again"}, {}),
        ({"R04": "unlocked"}, {"R02": "before-shootdown"}),
        ({"C19": "held"}, {}),
    ],
)
def test_what_a_form_needs_comes_with_it_and_is_told(forms, brought):
    chosen = choose(forms=forms)
    assert {id: chosen.forms[id] for id in chosen.brought} == brought
    for id, text in chosen.brought.items():
        (asked,) = forms
        assert text.startswith(f"{brought[id]}, for {asked}: ")


def test_what_cannot_stand_beside_a_change_asked_for_goes():
    chosen = choose("freebsd-2004", apply=["C01"])
    assert chosen.forms["C03"] == "busy-each-try"
    assert chosen.brought["C03"] == "busy-each-try, with C01: a removal that does not ask for busy has no such step"
    assert choose("freebsd-2004", apply=["C15"], pmap="alpha").forms["C14"] == "none"


@pytest.mark.parametrize(
    ("how", "found", "words"),
    [
        ({"revert": ["C03"], "apply": ["C01"]}, "C03", "C03 = busy-once exists only with C01 = busy-first, not with C01 = plain"),
        ({"revert": ["C19", "C24"]}, "C19", "C19 = held exists only with C24 = fq-held, not with C24 = pq-only"),
        ({"revert": ["C14"], "apply": ["C15"], "pmap": "alpha"}, "C14", "exists only with C15 = exempt, not with C15 = always"),
        ({"revert": ["C01"], "apply": ["remove-without-busy"]}, "remove-without-busy", "is asked for as busy-first and as plain"),
        ({"revert": ["C05"], "forms": {"C05": "both-asserted"}}, "C05", "is asked for as pq and as both-asserted"),
        ({"revert": ["C10"]}, "C10", "is a change of pmap i386, not of amd64"),
        ({"apply": ["C15"], "pmap": "i386"}, "C15", "is a change of pmap alpha, not of i386"),
        ({"forms": {"C30": "helper"}}, "helper", "C30 (copy-sets-valid) has no form 'helper'"),
        ({"forms": {"R03": ""}}, "", "R03 (pm-active-order) has no form ''"),
        ({"revert": ["C99"]}, "C99", "no change is called 'C99'"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_reason(how, found, words):
    with pytest.raises(KernelError) as raised:
        choose(**how)
    assert words in str(raised.value) and raised.value.found == found and raised.value.allowed
    assert "\n" not in str(raised.value)


def test_one_change_named_twice_alike_is_no_contradiction():
    assert choose(revert=["C30", "copy-sets-valid"], forms={"C30": "wrapper"}).forms["C30"] == "wrapper"


def test_a_foil_is_a_form_only_by_name():
    for change in CHANGES.values():
        for foil in change.foils:
            assert kernel(forms={change.id: foil})[change.id] == foil and foil not in change.forms
        with pytest.raises(KernelError) as raised:
            choose(forms={change.id: "nothing"}, pmap=(*change.pmaps, "amd64")[0])
        assert raised.value.allowed == [*change.forms, *change.foils]


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("id", ANYWHERE)
def test_over_a_kernel_already_chosen_it_is_as_over_its_preset(preset, id):
    """Forms that a kernel has because somebody chose it are not asked for: what a change needs comes with it, and what it ends goes."""
    for how in ({"revert": [id]}, {"apply": [id]}):
        try:
            expected = choose(preset, **how)
        except KernelError as error:
            with pytest.raises(KernelError, match=re.escape(str(error))):
                choose(kernel(preset), **how)
        else:
            assert choose(kernel(preset), **how) == expected._replace(ignored=())


def test_odd_combinations_are_allowed_and_remarked_on():
    assert choose().remarks == ()
    (remark,) = choose(revert=["C07", "C08"], apply=["C11"]).remarks[1:] or choose(revert=["C07"]).remarks[:1]
    assert "acquires the page-queues lock it holds" in remark
    assert "unhistorical: one commit brought the window and its locks" in choose(revert=["C09"], apply=["C10"], pmap="i386").remarks
    assert not any("unhistorical" in text for text in choose(revert=["C09", "C10"], pmap="i386").remarks)


def test_forms_of_another_pmap_are_not_shown():
    forms = PRESETS["repaired"]
    assert set(forms) - set(applicable(forms, "amd64")) == {"C09", "C10", "C14", "C15"}
    assert list(applicable(forms, "i386")) == sorted(set(forms) - {"C14", "C15"})


@given(st.lists(st.sampled_from(ANYWHERE), unique=True), st.lists(st.sampled_from(ANYWHERE), unique=True), st.sampled_from(sorted(PRESETS)))
def test_any_choice_stands_or_is_refused(revert, apply, preset):
    try:
        chosen = choose(preset, revert, apply)
    except KernelError as error:
        assert error.allowed  # noqa: PT017
        return
    assert stands(chosen.forms)
    assert all(chosen.forms[id] == CHANGES[id].oldest for id in revert) and all(chosen.forms[id] == CHANGES[id].newest for id in apply)
    untouched = {id for id in CHANGES if id not in (*revert, *apply, *chosen.brought, *chosen.ignored)}
    assert all(chosen.forms[id] == PRESETS[preset][id] for id in untouched)


@given(st.permutations(["C01", "C03", "C11", "C24", "R02", "R04"]))
def test_the_order_in_which_changes_are_named_is_none_of_the_kernels_business(names):
    assert choose(revert=names).forms == choose(revert=sorted(names)).forms
