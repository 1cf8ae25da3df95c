"""A workload on another number of CPUs than it was recorded on.

Tasks go to CPUs in turn, in the order in which they appear, and stay there. Keeping the recorded migrations modulo the new number was
rejected: on more CPUs than were recorded most would stay idle. What must wait for what is unchanged, so the same work is done.
"""

from __future__ import annotations

import msgspec

from protocol.workload import Workload


def respread(workload: Workload, cpus: int) -> Workload:
    """The workload with its tasks spread over ``cpus`` CPUs; the given one is not changed. Raises ValueError for fewer than one CPU."""
    if cpus < 1:
        raise ValueError(f"a workload needs at least one CPU, not {cpus}")
    tasks = []
    for number, task in enumerate(workload.tasks):
        cpu = number % cpus
        steps = [msgspec.structs.replace(step, cpu=cpu) for step in task.steps]
        tasks.append(msgspec.structs.replace(task, cpu=cpu, steps=steps))
    return msgspec.structs.replace(workload, tasks=tasks, cpus=cpus)
