"""What is told of an arm: not what sets the scene, not what an arm before it told, and every word that was spoken."""

from __future__ import annotations

from cluster.experiments.stories import COUNTED_MAX, HEAD_STEPS, LEAD_STEPS, TAIL_STEPS, common, line, story
from cluster.experiments.telling import Step


def steps(*texts, kind="page.busy"):
    return [Step(number, "writer", "pq", kind, text) for number, text in enumerate(texts)]


def numbered(count, first=0):
    return [Step(number, "writer", "pq", "page.busy", f"step {number}") for number in range(first, first + count)]


WORD = Step(50, "I-COW", "pq", "I-COW", "vm page 0x1: sent and writable", spoken=True)


def test_common_stops_at_the_first_step_that_differs():
    assert common(steps("a", "b", "c"), steps("a", "x", "c")) == 1
    assert common(steps("a", "b"), steps("a", "b", "c")) == 2
    assert common([], steps("a")) == 0


def test_what_is_counted_makes_no_difference():
    counted = [step._replace(counted=True) for step in steps("a", "b")]
    assert common(counted, steps("a", "b")) == 2


def test_an_arm_like_one_told_before_is_one_line():
    arms = {"before": numbered(3), "after": steps("a", "b"), "clean": steps("a", "b")}
    assert [text.strip() for text in story("clean", arms)] == ["... step for step as after ..."]


def test_an_arm_is_told_from_where_it_differs():
    alike = numbered(30)
    arms = {"before": [*alike, *steps("old")], "after": [*alike, *steps("new")]}
    told = story("after", arms)
    assert told[0].strip() == f"... {30 - LEAD_STEPS} steps as before ..."
    assert told[1].endswith(f"step {30 - LEAD_STEPS}")
    assert told[-1].endswith("new")


def test_the_first_arm_begins_at_the_first_thread_held():
    arms = {"before": [*numbered(30), *steps("held at x", kind="held"), *numbered(5, 31)]}
    told = story("before", arms)
    assert told[0].strip() == f"... {30 - LEAD_STEPS} steps ..."
    assert any("held at x" in text for text in told)


def test_a_word_in_the_middle_of_a_long_story_is_told():
    middle = HEAD_STEPS + 50
    found = [*numbered(middle), WORD, *numbered(TAIL_STEPS + 50, middle)]
    told = story("before", {"before": found})
    assert any(text.strip().endswith("*** I-COW: vm page 0x1: sent and writable") for text in told)
    assert len(told) < HEAD_STEPS + TAIL_STEPS + 10
    gaps = [text.split()[1] for text in told if text.strip().startswith("...")]
    assert sum(map(int, gaps)) + len(told) - len(gaps) == len(found)


def test_some_of_what_is_counted_is_told():
    found = [step._replace(counted=100 <= number < 120) for number, step in enumerate(numbered(300))]
    told = story("before", {"before": found})
    assert sum("<- counted" in text for text in told) == COUNTED_MAX


def test_lines_name_the_home_where_it_is_needed():
    assert line(Step(1200, "writer", "object.1", "object.insert", "page 0x1 put at offset 0")).split(None, 2) == [
        "1,200", "writer", "object.1: page 0x1 put at offset 0",
    ]  # fmt: skip
    assert "pq:" not in line(Step(1, "writer", "pq", "page.busy", "page 0x1 busy"))
    assert "cpu.0:" not in line(Step(1, "writer", "cpu.0", "store", "store at 0x1 into page 0x1"))


def test_a_panic_names_its_thread():
    assert line(Step(5, "writer", "cpu.0", "panic", "page not busy", spoken=True)).strip() == "5  *** panic (writer): page not busy"
