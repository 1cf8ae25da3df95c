from __future__ import annotations

import msgspec
import pytest

from cluster.errors import InputError
from cluster.plan import Plan
from cluster.scenario import load
from protocol.kernels import PRESETS

WORK = '[workload]\ngenerator = "fault_storm"\n'


def test_a_plan_survives_the_wire():
    plan = load("demo").to_plan(7, workers=2, backend="asyncio", transport="socket", trace=False)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(plan), type=Plan) == plan
    assert (plan.seed, plan.workers, plan.backend, plan.transport, plan.trace, plan.scenario) == (7, 2, "asyncio", "socket", False, "demo")


def test_where_it_runs_is_no_part_of_the_model():
    scenario = load("demo")
    assert scenario.to_plan(1, 1).model == scenario.to_plan(2, 4, "asyncio", "socket", trace=False).model


def test_kernels(scenario_file):
    path = scenario_file()
    assert load(path).kernel == PRESETS["repaired"]
    assert load(path, kernel="freebsd-2006").kernel == PRESETS["freebsd-2006"]
    forms = load(path, revert=["R01,pq-dropped-early", "r05"]).kernel
    assert [forms[name] for name in ("R01", "R02", "R03", "R05")] == ["trusts-page", "before-shootdown", "set-load-clear", "writable"]
    assert load(path, kernel="freebsd-2006", apply=["R03"]).kernel["R03"] == "set-load-clear"


def test_options_add_to_the_file_and_a_preset_replaces_it(scenario_file):
    path = scenario_file(WORK + '[kernel]\nrevert = ["R01"]\n')
    assert load(path, revert=["R02"]).kernel["R01"] == "trusts-page"
    assert load(path, kernel="repaired").kernel == PRESETS["repaired"]


@pytest.mark.parametrize(
    ("options", "place", "found"),
    [
        ({"kernel": "linux"}, "--kernel", "linux"),
        ({"revert": ["R01,R99"]}, "--revert", "R99"),
        ({"apply": ["colour"]}, "--apply", "colour"),
    ],
)
def test_unknown_kernels_at_the_option(scenario_file, options, place, found):
    with pytest.raises(InputError) as caught:
        load(scenario_file(), **options)
    assert (caught.value.file, caught.value.found) == (place, found)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('preset = "vms"', "kernel.preset"),
        ('revert = ["R01", "C77"]', "kernel.revert[1]"),
        ('revert = "R01"', "kernel.revert"),
        ('[kernel.forms]\nR01 = "maybe"', "kernel.forms.R01"),
        ('[kernel.forms]\nR99 = "maybe"', "kernel.forms.R99"),
        ('[kernel.forms]\nR03 = ""', "kernel.forms.R03"),
        ('revert = ["R03", ""]', "kernel.revert[1]"),
    ],
)
def test_unknown_kernels_in_the_file(refused, text, key):
    assert refused(f"{WORK}[kernel]\n{text}\n").key == key


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[expect]\nended = "well"', "expect.ended"),
        ('[expect]\nviolations = ["I-TLB", "I-NOPE"]', "expect.violations[1]"),
        ("[limits]\nmemory_waits = -1", "limits.memory_waits"),
        (f"[limits]\nwait_ns = {'[' * 5000}", "TOML"),
        ("[limits]\nwait_ns = 0", "limits.wait_ns"),
        ("[limits]\nrestarts = -1", "limits.restarts"),
        ("[limits]\nevents = 1.5", "limits.events"),
        ('name = "../../etc"', "name"),
    ],
)
def test_limits_and_expectations(refused, text, key):
    assert refused(f"{text}\n{WORK}").key == key


def test_what_is_expected(scenario_file):
    assert load(scenario_file()).expect.endings == ("finished",)
    assert load(scenario_file(WORK + '[expect]\nended = ["stuck", "panic"]')).expect.endings == ("stuck", "panic")
