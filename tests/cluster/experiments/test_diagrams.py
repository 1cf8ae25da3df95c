"""The picture of an interleaving: what it leaves out, that its bars balance, and that Mermaid can read every line of it."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from cluster.experiments.cutting import ARROWS_MAX
from cluster.experiments.diagrams import diagram
from cluster.experiments.form import PictureTable
from cluster.experiments.stretches import Sought
from cluster.experiments.telling import Step

TYPES = {"pq": "vm page queue mutex", "fq": "vm page queue free mutex", "object.1": "vm object"}


def lock(who, verb, home, time=0, event="", how="held 5 ns"):
    sign = "+" if verb == "acquire" else "-"
    return Step(time, who, "cpu.0", f"lock.{verb}", f"{sign}{TYPES[home]} {home} ({how})", event=event)


def page(who, text, where="pq", kind="page.busy", **more):
    return Step(0, who, where, kind, text, **more)


def word(check, text):
    return Step(9, check, "pq", check, text, spoken=True)


def arrows(lines):
    return [line.strip() for line in lines if "->>" in line]


def test_locks_are_arrows_with_bars_that_last_until_the_release():
    lines = diagram([lock("a", "acquire", "pq"), page("a", "page 0x1 busy"), lock("a", "release", "pq")])
    assert [line.strip() for line in lines if not line.strip().startswith("participant")] == [
        "sequenceDiagram",
        "p_a->>p_pq: acquire",
        "activate p_pq",
        "p_a->>p_pq: page 0x1 busy",
        "p_a->>p_pq: release",
        "deactivate p_pq",
    ]


def test_a_lock_that_is_never_given_back_has_a_bar_to_the_end():
    lines = diagram([lock("a", "acquire", "pq"), page("a", "page 0x1 busy")])
    assert lines[-1].strip() == "deactivate p_pq"


def test_a_posted_write_is_drawn_under_its_lock():
    """The home hears of it after the release is recorded; the thread sent it before, while handling the event that released."""
    posted = page("a", "page 0x1 busy", event="cpu.0:7", cause="cpu.0:5")
    lines = arrows(diagram([lock("a", "acquire", "pq", event="cpu.0:4"), lock("a", "release", "pq", event="cpu.0:5"), posted]))
    assert lines == ["p_a->>p_pq: acquire", "p_a->>p_pq: page 0x1 busy", "p_a->>p_pq: release"]


def test_what_a_later_event_sends_is_drawn_where_it_is():
    late = page("a", "page 0x1 busy", event="cpu.0:8", cause="cpu.0:6")
    found = [
        lock("a", "acquire", "pq", event="cpu.0:4"),
        page("a", "page 0x1: dirty", event="x:1"),
        lock("a", "release", "pq", event="cpu.0:5"),
    ]
    found += [page("a", "page 0x1: wired", where="object.1", event="cpu.0:6"), late]
    assert arrows(diagram(found))[-1] == "p_a->>p_pq: page 0x1 busy"


def test_empty_critical_sections_are_left_out_unless_they_are_counted():
    pair = [lock("a", "acquire", "pq", event="cpu.0:1"), lock("a", "release", "pq", event="cpu.0:2")]
    later = page("a", "page 0x1 busy", event="cpu.0:4", cause="cpu.0:3")
    assert arrows(diagram([*pair, later])) == ["p_a->>p_pq: page 0x1 busy"]
    pair[0] = pair[0]._replace(counted=True)
    assert arrows(diagram([*pair, later]))[0] == "p_a->>p_pq: acquire, release ●"


def test_pages_that_the_violation_does_not_name_are_left_out():
    found = [page("a", "page 0x1 busy"), page("a", "page 0x2 busy"), word("I-COW", "vm page 0x1: sent and writable")]
    assert arrows(diagram(found, Sought(shows=["I-COW"]))) == ["p_a->>p_pq: page 0x1 busy"]


def test_it_ends_with_the_check_that_names_the_bug():
    found = [page("a", "page 0x1 busy"), word("I-LOCKSET", "page 0x1"), page("a", "page 0x1 freed"), word("I-COW", "page 0x1: x")]
    lines = diagram([*found, page("a", "page 0x1 wired")], Sought(shows=["I-COW", "I-LOCKSET"]))
    assert [line for line in lines if "wired" in line] == []
    assert any("I-COW: page 0x1: x" in line for line in lines)


def test_a_check_speaks_once():
    found = [page("a", "page 0x1 busy"), *[word("I-COW", f"page 0x1: {number}") for number in range(3)]]
    assert sum("I-COW" in line for line in diagram(found, Sought(shows=["I-COW"]))) == 1


def test_a_kernel_thread_that_only_takes_locks_is_left_out():
    found = [lock("k0.0", "acquire", "pq"), page("a", "page 0x1 busy"), lock("k0.0", "release", "pq")]
    assert not any("k0" in line for line in diagram(found))


def test_many_steps_alike_are_one():
    found = [page("a", f"page {frame:#x}: wire count 0 -> 1", kind="page.wire") for frame in range(8)]
    assert arrows(diagram(found)) == ["p_a->>p_pq: page 0x0: wire count 0 to 1 (and 7<br/>more such)"]


def test_the_middle_of_a_long_stretch_is_left_out_but_not_where_a_thread_is_held():
    found = [page("a", f"page 0x1: {number}", kind=f"page.{number % 2}") for number in range(40)]
    found[20] = Step(0, "a", "cpu.0", "held", "held at x: y")
    lines = diagram([*found, *found], Sought([page("b", "page 0x1 busy")]))
    assert len(arrows(lines)) <= ARROWS_MAX + 1
    assert any("held at x" in line for line in lines)
    left_out = [int(found[1]) for line in lines if (found := re.search(r"\.\.\. (\d+) steps left out", line))]
    drawn = [line for line in lines if line.strip().startswith("p_a->>") or "held at" in line]
    assert sum(left_out) + len(drawn) == 80


def held(who, text="held at x: y"):
    return Step(0, who, "cpu.0", "held", text)


def test_an_upgrade_takes_no_lock_a_second_time():
    found = [lock("a", "acquire", "object.1", how="shared"), page("a", "page 0x1 busy"), lock("a", "acquire", "object.1", how="upgrade")]
    lines = [line.strip() for line in diagram([*found, page("a", "page 0x1: dirty"), lock("a", "release", "object.1"), page("a", "x")])]
    assert [line for line in lines if "activate" in line] == ["activate p_object_1", "deactivate p_object_1"]
    assert lines.index("deactivate p_object_1") < lines.index("p_a->>p_pq: x")
    assert "p_a->>p_object_1: acquire shared" in lines
    assert "p_a->>p_object_1: upgrade" in lines


def test_an_upgrade_given_back_at_once_ends_the_bar():
    found = [lock("a", "acquire", "object.1", how="shared"), page("a", "x"), lock("a", "acquire", "object.1", how="upgrade")]
    lines = [line.strip() for line in diagram([*found, lock("a", "release", "object.1"), page("a", "y")])]
    assert lines.index("deactivate p_object_1") < lines.index("p_a->>p_pq: y")


def test_what_is_locked_while_another_is_held_is_drawn():
    pair = [lock("b", "acquire", "object.1"), lock("b", "release", "object.1")]
    found = [page("a", "page 0x1 busy"), *pair, held("a"), *pair, page("b", "page 0x1: wired"), page("a", "page 0x1 freed"), *pair]
    assert arrows(diagram(found))[1] == "p_b->>p_object_1: acquire, release"
    assert sum("acquire, release" in line for line in diagram(found)) == 1


def test_what_is_locked_again_and_again_while_another_is_held_is_drawn_once():
    pair = [lock("b", "acquire", "object.1"), lock("b", "release", "object.1")]
    lines = arrows(diagram([page("a", "x"), held("a"), *pair, *pair, *pair, page("b", "y"), page("a", "z")]))
    assert sum("acquire, release" in line for line in lines) == 1


def test_a_kernel_thread_that_only_sets_the_scene_is_left_out():
    found = [page("k0.0", "page 0x1 busy"), page("a", "page 0x1: dirty"), held("a"), page("a", "page 0x1 freed")]
    assert arrows(diagram(found))[0] == "p_a->>p_pq: page 0x1: dirty"


def test_a_thread_that_the_violation_does_not_concern_is_left_out():
    found = [page("a", "page 0x1 busy"), lock("b", "acquire", "object.1"), page("b", "computes"), lock("b", "release", "object.1")]
    lines = diagram([*found, word("I-COW", "vm page 0x1: sent")], Sought(shows=["I-COW"]))
    assert not any("p_b" in line for line in lines)


def test_words_of_another_check_on_another_page_are_left_out():
    found = [word("I-ONEQ", "vm page 0x2: queued"), word("I-ONEQ", "vm page 0x1: queued"), page("a", "page 0x1 busy")]
    lines = "\n".join(diagram([*found, word("I-COW", "vm page 0x1: sent")], Sought(shows=["I-COW"])))
    assert "page 0x1: queued" in lines
    assert "page 0x2" not in lines


def test_jitter_and_reads_of_the_free_count_are_not_drawn_but_other_reads_and_faults_are():
    kinds = ("fault.fired", "peek")
    texts = ("injected fault jitter: x", "injected fault lost: x", "reads v_free_count without a lock", "reads m.object without a lock")
    found = [Step(0, "a", "cpu.0", kinds[number // 2], text) for number, text in enumerate(texts)]
    lines = "\n".join(diagram(found))
    assert [text in " ".join(lines.replace("<br/>", " ").split()) for text in texts] == [False, True, False, True]


def test_a_cost_is_drawn_to_the_steps_that_cost_and_not_to_the_word():
    found = [page("a", "page 0x1 busy"), word("I-COW", "vm page 0x1: sent"), *[page("a", f"costs {n}", counted=True) for n in range(9)]]
    assert any("costs" in line for line in diagram(found, Sought(shows=["I-COW"], costs=True)))
    assert not any("costs" in line for line in diagram(found, Sought(shows=["I-COW"])))


def test_a_cost_is_drawn_to_what_is_counted_in_one_arm_only():
    alike = [page("a", f"page {number:#x} costs", counted=True) for number in range(8)]
    lines = diagram([*alike, page("a", "more", counted=True)], Sought([*alike, page("a", "less")], costs=True))
    assert any("more ●" in line for line in lines)


def test_the_file_says_where_it_begins_what_it_keeps_and_where_it_ends():
    found = [page("a", f"page 0x1: {number}", kind=f"page.{number}") for number in range(60)]
    picture = PictureTable(begins="a page 0x1: 7", keeps=["* 0x1: 30"], ends="a page 0x1: 50")
    sought = Sought(shows=["I-COW"], picture=picture)
    lines = arrows(diagram([*found[:45], word("I-COW", "vm page 0x1: sent"), *found[45:]], sought))
    assert lines[0] == "p_a->>p_pq: page 0x1: 7"
    assert "p_a->>p_pq: page 0x1: 30" in lines
    assert lines[-1] == "p_a->>p_pq: page 0x1: 50"


def test_what_is_counted_and_what_is_freed_is_drawn_however_long_the_stretch_is():
    found = [page("a", f"page 0x1: {number}", kind=f"page.{number}") for number in range(90)]
    found[30] = page("a", "page 0x1 costs", counted=True)
    found[60] = page("a", "page 0x1 freed", kind="page.release")
    lines = arrows(diagram([*found, word("I-COW", "vm page 0x1: sent")], Sought([page("b", "x")], ["I-COW"])))
    assert {"p_a->>p_pq: page 0x1 costs ●", "p_a->>p_pq: page 0x1 freed"} <= set(lines)


STEPS = st.lists(
    st.one_of(
        st.builds(lock, st.sampled_from("ab"), st.sampled_from(("acquire", "release")), st.sampled_from(("pq", "fq", "object.1"))),
        st.builds(lock, st.sampled_from("ab"), st.just("acquire"), st.just("object.1"), how=st.sampled_from(("shared", "upgrade"))),
        st.builds(held, st.sampled_from("ab")),
        st.builds(page, st.sampled_from("ab"), st.text(max_size=60).map(lambda text: f"page 0x1: {' '.join(text.split())}")),
        st.builds(word, st.sampled_from(("I-COW", "I-TLB")), st.just("vm page 0x1: a; b # c -> d < e")),
    ),
    max_size=120,
)


@given(STEPS, STEPS)
def test_whatever_the_steps_bars_balance_and_lines_are_mermaids(found, other):
    bars: dict[str, int] = {}
    people = set()
    for line in diagram(found, Sought(other, ["I-COW"]))[1:]:
        verb, _, rest = line.strip().partition(" ")
        if verb == "participant":
            people.add(rest.partition(" ")[0])
        elif verb in ("activate", "deactivate"):
            bars[rest] = bars.get(rest, 0) + (1 if verb == "activate" else -1)
            assert bars[rest] >= 0
        assert ";" not in line
        assert "#" not in line
    assert not any(bars.values())
    assert set(bars) <= people
