from __future__ import annotations

import re

import pytest

from cluster.errors import InputError
from cluster.scenario import load
from cluster.scenario.overrides import PROMISED, apply_sets, parse_set

MINIMAL = '[workload]\ngenerator = "fault_storm"\n'
VALUES = {
    "machine.cpus": 4, "machine.domains": 2, "machine.frames": 5000, "machine.pmap": "i386", "workload.cpus": 2, "workload.retouch": 3,
    "workload.lines_max": 0, "limits.wait_ns": 5_000, "limits.restarts": 1, "checks.stop_at_first": True,
}  # fmt: skip


def test_every_promised_key_is_tried_here():
    assert set(VALUES) == set(PROMISED)


@pytest.mark.parametrize("key", PROMISED)
def test_promised_keys(scenario_file, key):
    written = str(VALUES[key]).lower()
    expanded = load(scenario_file(), [f"{key}={written}"]).expanded() if key != "machine.domains" else load(
        scenario_file(), ["machine.cpus=2", f"{key}={written}"]
    ).expanded()  # fmt: skip
    table, leaf = key.split(".")
    assert expanded[table][leaf] == VALUES[key]


@pytest.mark.parametrize("key", ["machine.costs.scan_page_ns", "machine.latency.memory.same_ns", "machine.thresholds.cache_min"])
def test_what_is_set_in_one_scenario_is_not_set_in_the_next(scenario_file, key):
    """Also below tables that a preset brings along."""
    before = load(scenario_file()).machine
    assert load(scenario_file(), [f"{key}=77"]).machine != before
    assert load(scenario_file()).machine == before


@pytest.mark.parametrize("key", [key for key in PROMISED if key != "machine.pmap"])
@pytest.mark.parametrize("value", ["nonsense", "-1", "1.5", "[1]", ""])
def test_wrong_types_are_refused_at_the_option(scenario_file, key, value):
    with pytest.raises(InputError) as caught:
        load(scenario_file(), [f"{key}={value}"])
    assert caught.value.key == key
    assert caught.value.file == "--set"


@pytest.mark.parametrize("text", ["machine.cpus", "cpus=3", "=3", "machine.=3", "machine..cpus=3", "MACHINE.cpus=3", "machine.cpus 3"])
def test_what_is_no_setting(text):
    with pytest.raises(InputError) as caught:
        parse_set(text)
    assert "KEY=VALUE" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [("a.b=3", 3), ("a.b=true", True), ("a.b=3 us", "3 us"), ('a.b="x"', "x"), ("a.b=[1, 2]", [1, 2]), ("a.b=c=d", "c=d")],
)
def test_values_are_toml_or_text(text, value):
    assert parse_set(text) == ("a.b", value)


def test_an_entry_of_a_list_is_reached_by_its_number():
    raw = {"faults": [{"cpu": 0}, {"cpu": 1}]}
    assert apply_sets(raw, ["faults[1].cpu=7"]) == {"faults[1].cpu": "--set"}
    assert raw["faults"][1]["cpu"] == 7
    with pytest.raises(InputError, match="2 entries"):
        apply_sets(raw, ["faults[2].cpu=7"])
    with pytest.raises(InputError, match="inside a table"):
        apply_sets({"machine": {"cpus": 3}}, ["machine.cpus.x=7"])


def test_the_last_part_of_a_key_may_be_an_entry_too(scenario_file):
    path = scenario_file(MINIMAL + '[kernel]\nrevert = ["C01", "C24"]\n[machine]\ncpus = 2\ndomains = 2\ncpu_domains = [0, 1]\n')
    scenario = load(path, ["kernel.revert[0]=C25", "machine.cpu_domains[0]=1", "machine.cpu_domains[1]=0"])
    assert (scenario.kernel["C01"], scenario.kernel["C25"]) == ("plain", "dequeue-as-you-go")
    assert scenario.machine.cpu_domains == (1, 0)
    for key, length in (("kernel.revert[2]", 2), ("kernel.apply[0]", 0), ("workload.task[0]", 0), ("machine.cpus[0]", 0)):
        with pytest.raises(InputError, match=rf"^--set: {re.escape(key)}: found .*, allowed: one of the {length} entries of ") as caught:
            load(path, [f"{key}=C30"])
        assert caught.value.key == key
    with pytest.raises(InputError, match=r"^--set: kernel\.revert\[1\]: no change is called 'C99'"):
        load(path, ["kernel.revert[1]=C99"])


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("workload.parameters.pages=1.5", "workload.parameters.pages"),
        ("workload.parameters={ int = 1.5 }", "workload.parameters.int"),
        ("checks.enable=[1]", "checks.enable"),
        ("expect.ended=1", "expect.ended"),
        ("machine.latency.memory.matrix_ns=[[1.5]]", "machine.latency.memory.matrix_ns[0][0]"),
    ],
)
def test_a_key_is_the_files_and_names_no_type(scenario_file, text, key):
    with pytest.raises(InputError) as caught:
        load(scenario_file(), [text])
    assert (caught.value.key, caught.value.file) == (key, "--set")


def test_a_preset_that_is_none_is_refused_where_it_was_typed(scenario_file):
    with pytest.raises(InputError, match=r"^--set: machine\.preset: found nope, allowed: eight-sockets-10, "):
        load(scenario_file(), ["machine.preset=nope"])
    with pytest.raises(InputError, match=r"case\.toml: machine\.preset: found nope, "):
        load(scenario_file(MINIMAL + '[machine]\npreset = "nope"\n'))


def test_a_later_setting_wins(scenario_file):
    assert load(scenario_file(), ["machine.cpus=4", "machine.cpus=8"]).machine.cpus == 8


def test_a_preset_is_set_before_what_is_laid_over_it(scenario_file):
    scenario = load(scenario_file(), ["machine.cpus=16", "machine.preset=eight-sockets-10"])
    assert (scenario.machine.cpus, scenario.machine.domains) == (16, 8)


def test_the_given_file_is_not_changed(scenario_file):
    path = scenario_file()
    before = path.read_bytes()
    load(path, ["machine.cpus=16"])
    assert path.read_bytes() == before
