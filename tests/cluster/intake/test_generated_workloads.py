import pytest

from cluster.errors import InputError
from cluster.intake.generators import GENERATORS, generator
from protocol.workload import decode, encode

SMALL = {
    "fault_storm": {"tasks": 3, "pages": 8, "rounds": 2},
    "map_churn": {"threads": 3, "pages": 2, "rounds": 3},
    "fork_cow": {"pages": 8, "children": 2, "touches": 4},
    "file_read": {"tasks": 2, "pages": 8, "reads": 12},
    "memory_pressure": {"tasks": 2, "pages": 8, "touches": 12},
    "kernel_mix": {"cpus": 2, "processes": 2, "steps": 12},
}


def words(workload, word):
    return [step for task in workload.tasks for step in task.steps if step.word == word]


@pytest.mark.parametrize("name", GENERATORS)
def test_a_workload_is_a_function_of_parameters_and_seed(name):
    make = generator(name).generate
    one = make(SMALL[name], 7)
    assert encode(one) == encode(make(SMALL[name], 7))
    assert one.tasks != make(SMALL[name], 8).tasks
    assert one.digest == make(SMALL[name], 8).digest != make({**SMALL[name], "think_ns": 1}, 7).digest
    assert decode(encode(one)) == one


@pytest.mark.parametrize("name", GENERATORS)
def test_tasks_map_before_they_touch_and_end(name):
    workload = generator(name).generate(SMALL[name], 1)
    mapped = {}
    for task in workload.tasks:
        table = mapped.setdefault(task.space, set(mapped.get(workload.tasks[task.parent].space, ())) if task.parent >= 0 else set())
        for step in task.steps:
            match step.word:
                case "mmap":
                    table.update(range(step.start, step.end))
                case "kernel" if step.routine == "device_mmap":
                    table.update(range(step.arguments[0], step.arguments[0] + step.arguments[2]))
                case "munmap":
                    table.difference_update(range(step.start, step.end))
                case "access":
                    assert step.vpn in table
        assert task.steps[-1].word == "exit"
        assert 0 <= task.cpu < workload.cpus
    account = workload.account
    assert (account.lines, account.replayed) == (0, 0)
    assert account.mmaps == len(words(workload, "mmap")) and account.exits == len(workload.tasks)
    assert sum(account.forks.values()) == len(words(workload, "fork"))


@pytest.mark.parametrize("name", GENERATORS)
def test_no_think_time_means_no_think_steps(name):
    workload = generator(name).generate({**SMALL[name], "think_ns": 0}, 1)
    assert not words(workload, "think")


def test_another_task_changes_no_task_that_was_there():
    make = generator("memory_pressure").generate
    assert make({"tasks": 2, "pages": 8}, 3).tasks[:2] == make({"tasks": 4, "pages": 8}, 3).tasks[:2]


def test_threads_of_a_storm_share_one_space_and_disjoint_regions():
    workload = generator("fault-storm").generate({**SMALL["fault_storm"], "threads": 1}, 1)
    assert {task.space for task in workload.tasks} == {0}
    starts = {step.start // 512 for step in words(workload, "mmap")}
    assert len(starts) == 3


def test_parameters_shape_the_work():
    make = generator("file_read").generate
    assert all(step.cold for step in words(make({"cold_percent": 100}, 1), "access"))
    assert not any(step.cold for step in words(make({"cold_percent": 0}, 1), "access"))
    mixed = words(make({"pages": 16, "reads": 64, "scattered": 1}, 1), "access")
    assert len({(step.vpn, step.cold) for step in mixed}) == len({step.vpn for step in mixed}), "cold is a page's, not an access's"
    assert all(step.write for step in words(make({"write_percent": 100}, 1), "access"))
    hot = words(generator("memory_pressure").generate({"tasks": 1, "pages": 100, "touches": 500, "hot_touch_percent": 100}, 1), "access")
    assert {step.vpn - hot[0].vpn // 512 * 512 for step in hot[100:]} <= set(range(20))


def test_io_of_a_mix_is_on_pages_that_threads_of_the_same_process_map():
    parameters = {"processes": 2, "threads": 2, "steps": 60, "maps": 60, "ios": 60}
    workload = generator("kernel_mix").generate(parameters, 1)
    mapped, used = {}, {}
    for task in workload.tasks:
        for step in task.steps:
            if step.word == "mmap":
                mapped.setdefault(task.space, set()).update(range(step.start, step.end))
            elif step.word == "kernel" and step.routine == "space_page_io":
                used.setdefault(task.space, []).append(step.arguments[0])
                assert step.holds[0].point == "space_page_io.busy" and step.holds[0].for_ns > 0
    assert len(used) == 2
    assert all(set(vpns) <= mapped[space] for space, vpns in used.items())


@pytest.mark.parametrize("name", GENERATORS)
def test_every_parameter_has_bounds_its_default_keeps_and_a_meaning(name):
    for parameter in GENERATORS[name].parameters:
        assert parameter.min <= parameter.default <= parameter.max and parameter.meaning


@pytest.mark.parametrize(
    ("parameters", "found"),
    [({"page": 1}, "page"), ({"pages": 0}, 0), ({"pages": True}, True), ({"pages": 10**9}, 10**9), ({"pages": "4"}, "4")],
)
def test_impossible_parameters_are_refused(parameters, found):
    with pytest.raises(InputError, match=r"found .*, allowed: ") as caught:
        generator("fault_storm").generate(parameters, 1)
    assert caught.value.key == f"workload.parameters.{next(iter(parameters))}"
    assert caught.value.found == found


def test_too_much_work_and_unknown_names_are_refused(monkeypatch):
    monkeypatch.setattr("cluster.intake.generators.base.STEPS_MAX", 100)
    with pytest.raises(InputError, match="more than 100 steps"):
        generator("fault_storm").generate({}, 1)
    with pytest.raises(InputError, match="allowed: fault_storm, map_churn") as caught:
        generator("storm")
    assert caught.value.key == "workload.generator"
