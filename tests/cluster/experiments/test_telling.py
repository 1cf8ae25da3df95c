"""A run told step by step and drawn: who did what, up to the first word; what nobody needs to read is counted."""

from __future__ import annotations

import pytest

from cluster.experiments import diagrams, telling
from cluster.experiments.diagrams import diagram
from cluster.experiments.measures import Said
from cluster.experiments.telling import Step, steps, told
from protocol.records import COMPUTE, HELD, LOCK_ACQUIRE, LOCK_RELEASE, PAGE_QUEUE, PANIC, SWITCH, TASK_STEP
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


def texts(said=(), run=RUN):
    return [(step.who, step.kind) for step in steps(run, list(said), TASKS)]


def test_steps_are_told_of_tasks_by_their_names():
    assert texts() == [
        ("writer", "lock.acquire"), ("writer", "page.queue"), ("daemon", "held"), ("daemon", "page.queue"), ("daemon", "page.queue"),
        ("writer", "lock.release"),
    ]  # fmt: skip
    first = next(steps(RUN, [], TASKS))
    assert (first.time_ns, first.where, first.text, first.spoken) == (10, "cpu.0", "+vm page queue mutex pq (grant 1)", False)


def test_a_thread_without_a_task_has_its_own_name_and_a_home_alone_too():
    (step,) = steps(stored((5, "pq", "nobody", [(PAGE_QUEUE, 1, 1, 2)])), [], {})
    assert step.who == "pq"
    (step,) = steps(stored((5, "cpu.0", "cpu.0", [(HELD, 3, "a.b")])), [], {})
    assert step.who != "cpu.0" and "3" in step.who


def test_the_first_word_ends_it_with_the_event_it_belongs_to():
    assert texts([WORD])[-3:] == [("daemon", "page.queue"), ("daemon", "page.queue"), ("I-CACHE", "I-CACHE")]
    later = Said("panic", 50, "cpu.0", "cpu.0:4", "end")
    assert texts([later, WORD]) == texts([WORD])
    both = texts([WORD, WORD._replace(check="I-MAP")])
    assert [who for who, _ in both][-2:] == ["I-CACHE", "I-MAP"]


def test_what_is_spoken_when_all_is_over_comes_last():
    word = Said("I-CONSERVE", 60, "", "end:0", "a frame is lost")
    found = list(steps(RUN, [word], TASKS))
    assert len(found) == 7 and found[-1] == Step(60, "I-CONSERVE", "", "I-CONSERVE", "a frame is lost", True)


def test_lines_tell_the_word_apart():
    lines = told(RUN, [WORD], TASKS)
    assert lines[0].split()[:2] == ["10", "writer"]
    assert lines[-1] == "          40  *** I-CACHE: page 7 is mapped"


def test_what_a_name_carries_cannot_move_a_cursor():
    lines = told(RUN, [WORD._replace(message="\x1b[2J")], {"\x1b[31mred": 0})
    assert not any("\x1b" in line for line in lines) and any("x1b" in line for line in lines)


def many(count, held_at=-1):
    """A run of so many steps, in one of which the thread is held."""
    return stored(
        *((n, "cpu.0", "cpu.0", [(HELD, 0, "a.b") if n == held_at else (LOCK_ACQUIRE, 0, "pq", 0, 1, 0, 1)]) for n in range(count))
    )


def test_a_long_story_begins_shortly_before_its_first_hold():
    lines = told(many(80, held_at=50), [], TASKS)
    start = 50 - telling.LEAD_STEPS
    assert lines[0].strip() == f"... {start} steps ..." and len(lines) == 1 + 80 - start


def test_the_middle_of_a_long_story_is_counted():
    lines = told(many(200), [], TASKS)
    shown = telling.HEAD_STEPS + telling.TAIL_STEPS
    assert len(lines) == shown + 1 and lines[telling.HEAD_STEPS].strip() == f"... {200 - shown} steps ..."


def test_a_story_may_begin_with_the_first_routine_that_a_script_calls():
    call = (TASK_STEP, 0, 0, "kernel", 0)
    events = [(n, "cpu.0", "cpu.0", [call if n == 40 else (LOCK_ACQUIRE, 0, "pq", 0, 1, 0, 1)]) for n in range(50)]
    assert told(stored(*events), [], TASKS)[0].strip() == f"... {40 - telling.LEAD_STEPS} steps ..."


# Diagrams --------------------------------------------------------------------------------------------------------------------------


def test_a_diagram_has_threads_then_homes_and_ends_with_the_word():
    lines = diagram(steps(RUN, [WORD], TASKS))
    assert lines[0] == "sequenceDiagram"
    assert [line.split(" as ")[1] for line in lines if "participant" in line] == ["writer", "daemon", "pq"]
    assert lines[4] == "    p_writer->>p_pq: acquire"
    assert "    Note over p_daemon: " in "\n".join(lines)
    assert lines[-1] == "    Note over p_writer,p_pq: I-CACHE: page 7 is mapped"


@pytest.mark.parametrize("name", ["cpu.0", "object.7.cpu.3", "a b;c", "ü#1"])
def test_names_become_words_and_texts_lose_what_ends_a_line(name):
    step = Step(1, "writer", name, "page.queue", "7 moves 1 -> 2; see #3")
    _, *rest = diagram([step])
    assert not any(mark in line.partition(" as ")[0] for line in rest for mark in ";#")
    assert rest[-1].endswith("7 moves 1 to 2, see no. 3")


def test_of_a_long_story_the_last_steps_before_the_first_word_are_drawn():
    long = [Step(n, "writer", "pq", "page.queue", f"step {n}") for n in range(90)]
    word = [Step(50, check, "pq", check, "x", True) for check in ("I-ONEQ", "I-TREE")]
    lines = diagram([*long[:51], *word, *long[51:]])
    drawn = [line for line in lines if "->>" in line or "Note" in line]
    assert len(drawn) == diagrams.ARROWS_MAX
    assert [line.split(": ")[1] for line in drawn[-3:]] == ["step 50", "I-ONEQ", "I-TREE"]


def test_what_says_nothing_of_an_interleaving_is_not_drawn():
    hidden = [Step(1, "writer", "cpu.0", kind, "x") for kind in ("task.step", "enter", "leave", "wakeup", "fault.done", "access.hit")]
    assert diagram([*hidden, Step(2, "writer", "pq", "page.queue", "moves")])[-1] == "    p_writer->>p_pq: moves"
    assert diagram(hidden) == ["sequenceDiagram"]


def test_a_panic_in_a_run_is_told_once_as_record_and_once_as_word():
    run = stored((5, "cpu.0", "cpu.0", [(PANIC, 0, "freeing free page")]))
    assert texts([Said("panic", 5, "cpu.0", "cpu.0:0", "freeing free page")], run) == [("writer", "panic"), ("panic", "panic")]
