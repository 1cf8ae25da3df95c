from __future__ import annotations

import pytest

from cluster.errors import InputError
from cluster.intake import GENERATORS
from cluster.scenario import load
from cluster.scenario.places import names
from cluster.scenario.schedule import closed
from protocol.workload import Think


@pytest.mark.parametrize("name", sorted(GENERATORS))
def test_every_generator_has_a_scenario_that_compiles(name):
    used = {load(scenario).work.name: scenario for scenario in names("scenarios")}
    workload = load(used[name]).compile(1)
    assert workload.tasks


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("", "workload"),
        ("retouch = 1", "workload"),
        ('recording = "redis-bgsave"\ngenerator = "fault_storm"', "workload"),
        ('recording = "no-such.perf.txt"', "workload.recording"),
        ('recording = "."', "workload.recording"),
        ('script = "no-such.toml"', "workload.script"),
        ('generator = "storm"', "workload.generator"),
        ('generator = "fault_storm"\nparameters = { pages = 0 }', "workload.parameters.pages"),
        ('generator = "fault_storm"\nparameters = { pgaes = 1 }', "workload.parameters.pgaes"),
        ('generator = "fault_storm"\nparameters = { pages = "4 KiB" }', "workload.parameters.pages"),
        ('generator = "fault_storm"\nparameters = { pages = true }', "workload.parameters.pages"),
        ('generator = "fault_storm"\nparameters = { think_ns = "2 MiB" }', "workload.parameters.think_ns"),
        ('generator = "fault_storm"\nlines_max = 3', "workload"),
        ('recording = "redis-bgsave"\nparameters = { pages = 1 }', "workload"),
        ('recording = "redis-bgsave"\ncpus = 3', "workload.cpus"),
        ('recording = "redis-bgsave"\nschedule = "random"', "workload.schedule"),
        ('generator = "fault_storm"\n[[workload.inject]]\nwhat = "x"', "workload"),
    ],
)
def test_workloads_that_cannot_be(refused, text, key):
    assert refused(f"[workload]\n{text}\n").key.startswith(key)


def test_parameters_take_quantities(scenario_file):
    text = '[workload]\ngenerator = "fault_storm"\nparameters = { think_ns = "2 us", tasks = 1 }\n'
    assert load(scenario_file(text)).work.parameters["think_ns"] == 2000


def test_a_generator_with_more_cpus_than_the_machine_is_refused(scenario_file):
    scenario = load(scenario_file('[workload]\ngenerator = "fault_storm"\nparameters = { cpus = 4 }\n'))
    with pytest.raises(InputError) as caught:
        scenario.compile(1)
    assert caught.value.key == "machine.cpus"
    assert "workload.cpus = 2" in str(caught.value)
    spread = load(scenario_file('[workload]\ngenerator = "fault_storm"\nparameters = { cpus = 4 }\ncpus = 2\n')).compile(1)
    assert spread.cpus == 2
    assert {task.cpu for task in spread.tasks} == {0, 1}


def test_generated_work_depends_on_the_seed_and_recorded_work_does_not():
    storm = load("fault-storm")
    assert storm.compile(1).tasks == storm.compile(1).tasks
    assert storm.compile(1).tasks != storm.compile(2).tasks
    recording = load("redis-bgsave", ["workload.lines_max=300"])
    assert recording.compile(1) == recording.compile(2)
    assert recording.compile(1).account.lines == 300


def test_a_script_in_a_file_of_its_own(tmp_path):
    (tmp_path / "litmus.toml").write_text('[[task]]\nname = "a"\nsteps = [{ do = "mmap", vpn = 256, pages = 1 }]\n')
    (tmp_path / "case.toml").write_text('[workload]\nscript = "litmus.toml"\n')
    workload = load(tmp_path / "case.toml").compile(1)
    assert (workload.name, len(workload.tasks)) == ("litmus", 1)
    (tmp_path / "litmus.toml").write_text('[[task]]\nname = "a"\nsteps = [{ do = "fly" }]\n')
    with pytest.raises(InputError) as caught:
        load(tmp_path / "case.toml").compile(1)
    assert caught.value.file == str(tmp_path / "litmus.toml")


SCRIPT = """
[[workload.task]]
name = "a"
steps = [{ do = "mmap", vpn = 256, pages = 2 }, { do = "access", vpn = 256, write = true, name = "fill" }]
[[workload.task]]
name = "b"
steps = [{ do = "mmap", vpn = 256, pages = 1 }, { do = "access", vpn = 256, when = "a.fill" }, { do = "exit", when = "a.0" }]
"""


def test_a_closed_loop_forgets_times_and_keeps_order(scenario_file):
    path = scenario_file(SCRIPT)
    workload = load(path).compile(1)
    looped = closed(workload, 200)
    edges = 0
    for task, other in zip(workload.tasks, looped.tasks, strict=True):
        assert len(other.steps) == 2 * len(task.steps)
        assert all(step.at_ns == 0 for step in other.steps)
        assert all(isinstance(step, Think) and step.for_ns == 200 for step in other.steps[::2])
        for before, after in zip(task.steps, other.steps[1::2], strict=True):
            assert type(before) is type(after)
            wanted = [(t, type(workload.tasks[t].steps[i])) for t, i in before.after]
            assert [(t, type(looped.tasks[t].steps[i])) for t, i in after.after] == wanted
            edges += len(wanted)
    assert edges == 2
    assert load(path, ["workload.schedule=closed"]).compile(1) == looped
