from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.scenario import load, schema
from cluster.scenario.expand import to_toml
from cluster.scenario.places import names

SCALARS = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
FLAT = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6), SCALARS | st.lists(SCALARS, max_size=3), max_size=4
)


@pytest.mark.parametrize("name", sorted(names("scenarios")))
def test_an_expanded_scenario_loads_to_itself(name, scenario_file):
    scenario = load(name)
    again = load(scenario_file(to_toml(scenario.expanded())))
    assert again.expanded() == scenario.expanded()
    assert again.to_plan(3) == scenario.to_plan(3)


def test_nothing_expanded_is_a_path():
    def texts(value):
        if isinstance(value, dict):
            for item in value.values():
                yield from texts(item)
        elif isinstance(value, list):
            for item in value:
                yield from texts(item)
        elif isinstance(value, str):
            yield value

    for name in [*names("scenarios"), "redis-bgsave"]:
        assert not [text for text in texts(load(name).expanded()) if "/" in text or ".toml" in text]


def test_two_ways_to_say_the_same_expand_alike(scenario_file):
    work = '[workload]\ngenerator = "fault_storm"\n'
    one = load(scenario_file(f'[limits]\nwait_ns = "2 us"\n[kernel]\nrevert = ["R02"]\n{work}'))
    two = load(
        scenario_file(f'[limits]\nwait_ns = 2000\n{work}[kernel.forms]\nR02 = "before-shootdown"\n[machine]\nmemory_bytes = "256 MiB"\n')
    )
    assert one.expanded() == two.expanded()


def test_a_script_expands_to_itself(scenario_file):
    text = '[[workload.task]]\nname = "a"\nsteps = [{ do = "mmap", vpn = 256, pages = 1 }, { do = "access", vpn = 256, write = true }]\n'
    scenario = load(scenario_file(text))
    assert scenario.compile(1).tasks[0].name == "a"
    again = load(scenario_file(to_toml(scenario.expanded()), "again.toml"))
    assert again.expanded() == scenario.expanded()
    assert again.compile(1).digest == scenario.compile(1).digest


@given(st.dictionaries(st.sampled_from("abc"), SCALARS | FLAT | st.lists(FLAT, min_size=1, max_size=3), max_size=3))
def test_toml_text_reads_back(table):
    assert tomllib.loads(to_toml(table)) == table


def test_the_schema_knows_every_table_and_both_forms_of_a_quantity():
    found = schema()
    assert set(found["properties"]) >= {"machine", "kernel", "workload", "faults", "checks", "limits", "expect"}
    assert found["required"] == ["workload"]
    wait = found["$defs"]["LimitsTable"]["properties"]["wait_ns"]
    assert {option["type"] for option in wait["anyOf"]} == {"integer", "string"}
    assert found["$defs"]["MachineTable"].get("additionalProperties") is False
