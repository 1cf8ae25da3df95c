"""A run as steps: who did what, up to the words that are asked for."""

from __future__ import annotations

from cluster.experiments.measures import Said
from cluster.experiments.stories import begins
from cluster.experiments.telling import Telling, named, steps
from protocol.records import COMPUTE, HELD, LOCK_ACQUIRE, LOCK_RELEASE, PAGE_QUEUE, PANIC, SWITCH, TASK_FORK, TASK_STEP
from protocol.workload import Account, Kernel, Task, Think, Workload, encode
from tests.cluster.experiments.stored import stored

TASKS = {"writer": 0, "daemon": 1}
RUN = stored(
    (10, "cpu.0", "cpu.0", [(SWITCH, -1, 0, "pmap.0"), (LOCK_ACQUIRE, 0, "pq", 0, 1, 0, 1), (COMPUTE, 0, "scan", 30)]),
    (20, "pq", "cpu.0", [(PAGE_QUEUE, 7, 1, 4)]),
    (30, "cpu.1", "cpu.1", [(SWITCH, -1, 1, "pmap.1"), (HELD, 1, "a.b")]),
    (40, "pq", "cpu.1", [(PAGE_QUEUE, 7, 4, 2), (PAGE_QUEUE, 8, 4, 2)]),
    (50, "cpu.0", "cpu.0", [(LOCK_RELEASE, 0, "pq", 1, 40, 0)]),
)
WORD = Said("I-CACHE", 40, "pq", "cpu.1:3", "page 7 is mapped")


def texts(said=(), run=RUN, until=()):
    return [(step.who, step.kind) for step in steps(run, Telling(list(said), TASKS, until))]


def test_steps_are_told_of_tasks_by_their_names():
    assert texts() == [
        ("writer", "lock.acquire"), ("writer", "page.queue"), ("daemon", "held"), ("daemon", "page.queue"), ("daemon", "page.queue"),
        ("writer", "lock.release"),
    ]  # fmt: skip
    first = next(steps(RUN, Telling([], TASKS)))
    assert (first.time_ns, first.where, first.text, first.spoken) == (10, "cpu.0", "+vm page queue mutex pq", False)


def test_a_thread_without_a_task_has_its_own_name_and_a_home_alone_too():
    (step,) = steps(stored((5, "pq", "nobody", [(PAGE_QUEUE, 1, 1, 2)])), Telling([], {}))
    assert step.who == "pq"
    (step,) = steps(stored((5, "cpu.0", "cpu.0", [(HELD, 3, "a.b")])), Telling([], {}))
    assert step.who != "cpu.0" and "3" in step.who


def test_the_first_word_ends_it_with_the_event_it_belongs_to():
    assert texts([WORD], until=["I-CACHE"])[-3:] == [("daemon", "page.queue"), ("daemon", "page.queue"), ("I-CACHE", "I-CACHE")]
    later = Said("panic", 50, "cpu.0", "cpu.0:4", "end")
    assert texts([later, WORD], until=["I-CACHE"]) == texts([WORD], until=["I-CACHE"])
    both = texts([WORD, WORD._replace(check="I-MAP")], until=["I-CACHE"])
    assert [who for who, _ in both][-2:] == ["I-CACHE", "I-MAP"]


def test_what_is_spoken_when_all_is_over_comes_last():
    word = Said("I-CONSERVE", 60, "", "end:0", "a frame is lost")
    found = list(steps(RUN, Telling([word], TASKS)))
    assert len(found) == 7 and found[-1][:6] == (60, "I-CONSERVE", "", "I-CONSERVE", "a frame is lost", True)


def test_it_is_told_until_every_check_asked_for_has_spoken():
    later = Said("panic", 50, "cpu.0", "cpu.0:4", "end")
    assert texts([WORD, later], until=["I-CACHE"])[-1] == ("I-CACHE", "I-CACHE")
    assert texts([WORD, later], until=["I-CACHE", "panic"])[-1] == ("panic", "panic")


def test_what_a_name_carries_cannot_move_a_cursor():
    found = list(steps(RUN, Telling([WORD._replace(message="\x1b[2J")], {"\x1b[31mred": 0})))
    assert not any("\x1b" in step.text + step.who for step in found) and any("x1b" in step.text for step in found)


def test_messages_name_threads_by_their_tasks():
    assert named("thread 1 holds pq, thread 7 does not", {1: "daemon"}) == "thread daemon holds pq, thread t7 does not"


def test_what_is_counted_is_told_and_marked_even_if_it_is_no_step():
    counted = [step for step in steps(RUN, Telling([], TASKS, counts=lambda one: one.record[0] == COMPUTE)) if step.counted]
    assert [step.kind for step in counted] == ["compute"]


CALLS = (50, "cpu.0", "cpu.0", [(TASK_STEP, 0, 1, "kernel", 0), (TASK_FORK, 0, 1, "fork")])


def test_a_step_inside_the_kernel_names_the_routine_that_it_calls(tmp_path):
    tasks = [Task("writer", 0, -1, 0, [Think(for_ns=1), Kernel(routine="page_try_to_free", arguments=(0, 1))])]
    (tmp_path / "workload").write_bytes(encode(Workload(name="t", tasks=tasks, files=[], account=Account(), cpus=1)))
    run = stored(CALLS)
    run.path = tmp_path
    called, forked = steps(run, Telling([], TASKS))
    assert called.text == "step 1: kernel page_try_to_free" and begins([forked, called]) == 1


def test_a_run_without_its_workload_is_told_all_the_same():
    called, forked = steps(stored(CALLS), Telling([], TASKS))
    assert called.text == "step 1: kernel" and begins([forked, called]) == 1


def test_tasks_are_told_by_their_names():
    assert [step.text for step in steps(stored(CALLS), Telling([], TASKS))][1] == "task writer forks task daemon"
    assert [step.text for step in steps(stored(CALLS), Telling([], {"\x1b[2J": 0}))][1] == "task \\x1b[2J forks task 1"


def test_a_panic_is_told_once_and_names_its_thread():
    run = stored((5, "cpu.0", "cpu.0", [(PANIC, 0, "freeing free page")]))
    assert texts([Said("panic", 5, "cpu.0", "cpu.0:0", "freeing free page")], run=run) == [("writer", "panic")]
