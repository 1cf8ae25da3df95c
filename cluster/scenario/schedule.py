"""``workload.schedule``: when a task's next operation starts.

``open`` replays the recorded times: an operation starts at its recorded time, or when the one before has ended if that is later.
``closed`` forgets the times: it starts when the one before has ended and ``machine.costs.user_ns`` of user-mode work is done. What must
follow what across tasks is kept by both. The closed form is made here, from the compiled workload, and not in the actors: to them it is an
ordinary workload.
"""

from __future__ import annotations

import msgspec

from protocol.workload import AnyStep, Task, Think, Workload

SCHEDULES = ("open", "closed")


def closed(workload: Workload, user_ns: int) -> Workload:
    """The workload without recorded times, with user-mode work before each operation; the given one is not changed."""
    return msgspec.structs.replace(workload, tasks=[_closed(task, user_ns) for task in workload.tasks])


def _closed(task: Task, user_ns: int) -> Task:
    steps: list[AnyStep] = []
    for step in task.steps:
        after = tuple((other, 2 * index + 1) for other, index in step.after)
        steps.append(Think(for_ns=max(1, user_ns), cpu=step.cpu))
        steps.append(msgspec.structs.replace(step, at_ns=0, after=after))
    return msgspec.structs.replace(task, steps=steps)
