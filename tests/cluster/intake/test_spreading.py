import pytest

from cluster.intake.spreading import respread


def test_tasks_go_to_cpus_in_turn_and_stay(recordings):
    workload = recordings["redis-bgsave"]
    before = [step.cpu for step in workload.tasks[2].steps]
    spread = respread(workload, 5)
    assert spread.cpus == 5
    assert [task.cpu for task in spread.tasks] == [number % 5 for number in range(len(workload.tasks))]
    assert all(step.cpu == task.cpu for task in spread.tasks for step in task.steps)
    assert [step.cpu for step in workload.tasks[2].steps] == before, "the given workload is not changed"
    kept = [[(s.at_ns, s.after, s.announced, s.word) for s in task.steps] for task in spread.tasks]
    assert kept == [[(s.at_ns, s.after, s.announced, s.word) for s in task.steps] for task in workload.tasks]


def test_no_cpu_is_too_few(recordings):
    with pytest.raises(ValueError, match="at least one CPU"):
        respread(recordings["gcc-compile"], 0)
