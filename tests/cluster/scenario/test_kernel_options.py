"""What is typed of the kernel counts: a preset replaces the file's table, not ``--set``; what contradicts itself is refused."""

from __future__ import annotations

import pytest

from cluster.errors import InputError
from cluster.scenario import load
from cluster.scenario.kernel_options import changes_named
from protocol.kernels import PRESETS

WORK = '[workload]\ngenerator = "fault_storm"\n'
OLD = '[kernel]\nrevert = ["C25"]\n'


def forms(path, *sets, **options):
    return load(path, sets, **options).kernel


@pytest.mark.parametrize(
    ("text", "name", "form"),
    [
        ('kernel.revert=["C24"]', "C24", PRESETS["freebsd-2004"]["C24"]),
        ('kernel.apply=["R03"]', "R03", PRESETS["repaired"]["R03"]),
        ("kernel.forms.C30=wrapper", "C30", "wrapper"),
        ('kernel.forms={ C30 = "wrapper" }', "C30", "wrapper"),
    ],
)
def test_what_is_set_is_laid_over_the_preset_of_the_option(scenario_file, text, name, form):
    path = scenario_file(WORK + OLD)
    found = forms(path, text, kernel="freebsd-2006")
    assert PRESETS["freebsd-2006"][name] != form
    assert found == {**PRESETS["freebsd-2006"], name: form}, "and of the file's table nothing is left"


def test_two_presets_that_differ_are_refused_and_the_same_twice_is_not(scenario_file):
    path = scenario_file(WORK)
    with pytest.raises(InputError, match=r"--set: kernel\.preset: found repaired, allowed: freebsd-2006, as --kernel says"):
        forms(path, "kernel.preset=repaired", kernel="freebsd-2006")
    assert forms(path, "kernel.preset=freebsd-2006", kernel="freebsd-2006") == PRESETS["freebsd-2006"]
    assert forms(path, "kernel.preset=freebsd-2006") == PRESETS["freebsd-2006"]


def test_what_is_set_is_not_dropped_for_another_option(scenario_file):
    """The file's word on a change gives way to an option; what was typed does not, and two typed words that differ are refused."""
    path = scenario_file(WORK + OLD + '[kernel.forms]\nC30 = "wrapper"\n')
    assert forms(path)["C30"] == "wrapper" and forms(path, apply=["C30"])["C30"] == "caller"
    with pytest.raises(InputError, match=r"C30 .* is asked for as"):
        forms(path, "kernel.forms.C30=wrapper", apply=["C30"])
    with pytest.raises(InputError, match=r"C24 .* is asked for as"):
        forms(path, 'kernel.revert=["C24"]', apply=["C24"])


def test_both_options_have_the_last_word_over_the_file(scenario_file):
    found = forms(scenario_file(WORK + OLD), revert=["C24"], apply=["C25"])
    assert (found["C24"], found["C25"]) == ("pq-only", "convert-first")


def test_each_name_is_refused_where_it_was_typed(scenario_file):
    path = scenario_file(WORK)
    for sets, revert, place, key in [
        (['kernel.revert=["C99"]'], ["C24"], "--set", "kernel.revert[0]"),
        (['kernel.revert=["C24"]'], ["C99"], "--revert", "kernel.revert[1]"),
    ]:
        with pytest.raises(InputError) as caught:
            load(path, sets, revert=revert)
        assert (caught.value.file, caught.value.key) == (place, key)


@pytest.mark.parametrize("text", ["", " ", ",,", "C24,", ",C24", "C24,,C10"])
@pytest.mark.parametrize("option", ["revert", "apply"])
def test_an_empty_name_is_refused(scenario_file, option, text):
    with pytest.raises(InputError, match=f"--{option}: CHANGE: an empty name; found .*, allowed: names of changes"):
        load(scenario_file(WORK), **{option: [text]})


def test_an_empty_form_is_none_and_the_foils_are_told_with_the_forms(scenario_file):
    path = scenario_file(WORK)
    with pytest.raises(InputError, match=r"--set: kernel\.forms\.R03: .*has no form ''; found '', allowed: clear-set-load, set-load-clear"):
        forms(path, "kernel.forms.R03=")
    with pytest.raises(InputError, match=r"found new, allowed: test-then-remove, remove-then-test, protect-then-test"):
        forms(path, "kernel.forms.C20=new")


def test_names_are_taken_apart():
    assert changes_named("--revert", ["C10, pmap-copy-window", "C24"]) == ["C10", "pmap-copy-window", "C24"]
    assert changes_named("--revert", []) == []


@pytest.mark.parametrize("text", ['machine.preset="eight-sockets-10"', "machine.preset = eight-sockets-10"])
def test_a_machine_s_preset_is_set_however_it_is_written(scenario_file, text):
    assert load(scenario_file(WORK), [text]).machine.domains == 8
