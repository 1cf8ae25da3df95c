"""The promise of the suite: what it finds, in which order, and how often it looked, is the same for any number of shards."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocol import records as r
from protocol.checks import Derived, Suite, SuiteState, Violation, decode_routed, encode_routed, merge
from protocol.checks.reshard import join_states, split_state
from protocol.checks.routing import REMEMBERED, ROUTES, Router, shard_of_name
from tests.protocol.checks.stream import MACHINE, MAP, OBJECT, PMAP, RO, RW, Stream, story

Slices = list[list[Any]]


def run_on(slices: Slices, workers: list[int], end_ns: int) -> tuple[list[list[Violation]], dict[str, tuple[int, int]]]:
    """Feed slices to as many shards as ``workers`` says for each, with what crosses encoded and decoded, and state moved in between."""
    shards = workers[0]
    suites = [Suite((), MACHINE, {}, shard, shards) for shard in range(shards)]
    found = []
    for entries, wanted in zip(slices, workers, strict=True):
        if wanted != len(suites):
            suites = resharded(suites, wanted)
        found.append(one_slice(suites, entries))
    found.append(sorted((v for suite in suites for v in suite.finish(end_ns)), key=lambda violation: violation.rank))
    total: dict[str, tuple[int, int]] = {}
    for suite in suites:
        for name, (evaluated, violations) in suite.evaluated().items():
            before = total.get(name, (0, 0))
            total[name] = (before[0] + evaluated, before[1] + violations)
    return found, total


def one_slice(suites: list[Suite], entries: list[Any]) -> list[Violation]:
    """What the window loops of all workers do at a slice's edge. Each worker made the entries of every n-th event."""
    shards = len(suites)
    if shards == 1:
        return suites[0].step(entries)
    batches = [suite.route(entries[rank::shards]) for rank, suite in enumerate(suites)]
    found: list[Violation] = []
    facts: list[Derived] = []
    for shard, suite in enumerate(suites):
        mine = merge(decode_routed(encode_routed(batch[shard])) for batch in batches)
        found += suite.feed(mine)
        facts += msgspec.msgpack.decode(msgspec.msgpack.encode(suite.derived()), type=list[Derived])
    judged = [suite.feed_global(facts) for suite in suites]
    assert all(verdict == judged[0] for verdict in judged)
    return sorted(found + judged[0], key=lambda violation: violation.rank)


def resharded(suites: list[Suite], wanted: int) -> list[Suite]:
    states = [msgspec.msgpack.decode(msgspec.msgpack.encode(suite.state()), type=SuiteState) for suite in suites]
    new = [Suite((), MACHINE, {}, shard, wanted) for shard in range(wanted)]
    for suite, state in zip(new, split_state(join_states(states), wanted), strict=True):
        suite.restore(state)
    return new


def sliced(entries: list[Any], cuts: list[int]) -> Slices:
    places = sorted({cut % (len(entries) + 1) for cut in cuts})
    return [entries[a:b] for a, b in zip([0, *places], [*places, len(entries)], strict=True)]


threads, frames, vpns = st.integers(0, 3), st.integers(1, 6), st.integers(100, 104)
locks = st.sampled_from(["pq", "fq", "smp", OBJECT, PMAP, MAP, "object.2.cpu.1"])
bits = st.sampled_from([RO, RW])
chans = st.sampled_from(["page.1", "page.2", "vm_pages_needed"])


def made(actor: st.SearchStrategy[str] | str, kind: int, *fields: Any) -> Any:
    """A strategy for a record of this kind, its fields given by strategies or values, at an actor."""

    def any_of(value: Any) -> Any:
        return value if isinstance(value, st.SearchStrategy) else st.just(value)

    return st.tuples(any_of(actor), st.tuples(st.just(kind), *map(any_of, fields)))


names, maps = st.sampled_from([OBJECT, "object.2.cpu.1", "object.3", "object.uma", ""]), st.sampled_from([MAP, "map.2.cpu.1"])
objects, pmaps = st.sampled_from([OBJECT, "object.2.cpu.1", "object.3", "object.uma"]), st.sampled_from([PMAP, "pmap.2.cpu.1"])
few, bools = st.integers(0, 3), st.booleans()
RARE: list[tuple[Any, ...]] = [
    ("pq", r.PAGE_REBIND, frames, names, few, names, few),
    ("pq", r.PAGE_CACHED_BUSY, frames, objects, threads),
    ("pq", r.PAGE_WIRE, frames, few, few),
    ("pq", r.PAGE_HOLD, frames, few, few),
    ("pq", r.PAGE_FLAGS, frames, few, st.sampled_from([0, 0x8, 0x40, 0x800])),
    ("pq", r.PAGE_COW, frames, few, few),
    ("pq", r.PAGE_ACT, frames, few, st.integers(-1, 66)),
    ("pq", r.PAGE_DIRTY, frames, few, few),
    ("pq", r.PAGE_COUNTS, few, few, few, few),
    ("fq", r.FREE_COUNTS, st.integers(60, 64), few, few),
    ("cpu.1", r.FRAME_ZERO, frames, threads),
    ("cpu.1", r.FRAME_FILL, frames, threads),
    (PMAP, r.FRAME_STORE, frames, threads, "pte"),
    (pmaps, r.PTE_BITS, vpns, frames, bits, bits),
    (pmaps, r.PT_INSTALL, 1, few, frames),
    (pmaps, r.PT_REMOVE, 1, few, frames),
    (pmaps, r.PT_REFS, 1, few, frames, few, few),
    ("smp", r.SHOOT_ACK, few, few),
    (objects, r.OBJECT_PIP, few, few),
    (objects, r.OBJECT_REFS, few, few),
    (objects, r.OBJECT_SHADOWS, few, few),
    (objects, r.OBJECT_FLAGS, few, st.sampled_from([0, 8])),
    (objects, r.OBJECT_TYPE, 0, st.sampled_from([1, 5])),
    (objects, r.OBJECT_TREE, few, few),
    (objects, r.OBJECT_BACKING, names, few),
    ("cpu.1", r.OBJECT_NEW, objects, 0, 8, few, names, few),
    (maps, r.MAP_ADD, few, st.integers(0, 6), names, few, 3, 0),
    (maps, r.MAP_REMOVE, few, st.integers(0, 6), names, few),
    (maps, r.MAP_CLIP, few, st.integers(0, 6)),
    (maps, r.MAP_OBJECT, few, names, few, 0),
    (maps, r.MAP_PROTECT, few, st.integers(0, 6), 1),
    (maps, r.MAP_WIRE, few, st.integers(0, 6), bools),
    (pmaps, r.PMAP_ACTIVE, few, bools),
    ("cpu.1", r.SWITCH, st.integers(-1, 3), threads, ""),
    ("cpu.2", r.TRANSITION, threads, frames, objects, few, bools),
    ("cpu.2", r.BELIEF, threads, frames, objects, st.integers(-1, 2)),
    ("cpu.2", r.ARRAY, threads, st.integers(-1, 3), 3),
    ("cpu.2", r.LOOP, threads, "scan", bools, few),
    ("cpu.2", r.ALLOC_COLOUR, threads, names, few, few),
    ("cpu.2", r.PEEK, st.sampled_from(["v_free_count", "secret"]), threads),
    (st.sampled_from([OBJECT, "pq", PMAP]), r.UNGUARDED, st.sampled_from(["memq", "object", "flags"]), locks, threads, "locks"),
]
wild: list[st.SearchStrategy[tuple[str, tuple[Any, ...]]]] = [
    st.tuples(st.just("cpu.1"), st.tuples(st.just(r.LOCK_ACQUIRE), threads, locks, st.integers(0, 5), st.just(1), st.just(0), st.just(1))),
    st.tuples(st.just("cpu.1"), st.tuples(st.just(r.LOCK_RELEASE), threads, locks, st.just(1), st.just(5), st.integers(0, 1))),
    st.tuples(st.just("cpu.1"), st.tuples(st.just(r.LOCK_WAIT), threads, locks, threads)),
    st.tuples(st.just("cpu.1"), st.tuples(st.just(r.SLEEP), threads, chans, locks)),
    st.tuples(st.just("cpu.2"), st.tuples(st.just(r.WAKE), threads, chans, st.just("wakeup"))),
    st.tuples(st.just("pq"), st.tuples(st.just(r.WAKEUP), chans, st.tuples(threads))),
    st.tuples(st.just("pq"), st.tuples(st.sampled_from([r.PAGE_BUSY, r.PAGE_UNBUSY]), frames, threads)),
    st.tuples(st.just("pq"), st.tuples(st.just(r.PAGE_QUEUE), frames, st.integers(0, 5), st.integers(0, 5))),
    st.tuples(st.just("pq"), st.tuples(st.just(r.PAGE_RELEASE), frames, st.just(OBJECT), st.integers(0, 2), st.sampled_from([1, 5]))),
    st.tuples(
        st.just("pq"),
        st.tuples(st.just(r.PAGE_BIND), frames, st.just(OBJECT), st.integers(0, 2), st.just(0), st.just(1), threads, st.just(0)),
    ),
    st.tuples(st.just("pq"), st.tuples(st.sampled_from([r.PV_ADD]), frames, st.just(PMAP), vpns)),
    st.tuples(st.just("fq"), st.tuples(st.just(r.FREE_PUT), frames, st.just(False), st.integers(60, 64))),
    st.tuples(st.just("fq"), st.tuples(st.just(r.FREE_TAKE), frames, st.just(0), st.just(0), st.just(False), st.integers(60, 64))),
    st.tuples(st.just(OBJECT), st.tuples(st.just(r.OBJECT_INSERT), st.integers(0, 2), frames)),
    st.tuples(st.just(OBJECT), st.tuples(st.just(r.OBJECT_REMOVE), st.integers(0, 2), frames)),
    st.tuples(st.just(OBJECT), st.tuples(st.just(r.OBJECT_IO), st.integers(0, 2), frames, st.just(0), st.integers(0, 1))),
    st.tuples(st.just(PMAP), st.tuples(st.just(r.PTE_SET), vpns, frames, bits, frames, bits)),
    st.tuples(st.just(PMAP), st.tuples(st.just(r.PTE_CLEAR), vpns, frames, bits)),
    st.tuples(st.just("cpu.2"), st.tuples(st.just(r.TLB_FILL), st.just(PMAP), vpns, frames, bits)),
    st.tuples(
        st.just("cpu.2"), st.tuples(st.just(r.TLB_FLUSH), st.sampled_from([PMAP, ""]), st.just(100), st.integers(100, 105), st.just("x"))
    ),
    st.tuples(st.just("cpu.2"), st.tuples(st.just(r.TLB_EVICT), st.just(PMAP), vpns)),
    st.tuples(st.just("cpu.2"), st.tuples(st.just(r.SHOOT_BEGIN), threads, st.just(PMAP), st.just(100), st.just(105), st.just((1, 3)))),
    st.tuples(
        st.just("cpu.2"), st.tuples(st.just(r.SHOOT_DONE), threads, st.just(PMAP), st.just(100), st.just(105), st.just((1, 3)), st.just(1))
    ),
    st.tuples(st.just("cpu.0"), st.tuples(st.just(r.ENTER), threads, st.just("x"), st.just(()), st.just(()))),
    st.tuples(st.just("cpu.0"), st.tuples(st.just(r.LEAVE), threads, st.just("x"), st.just(None), st.just(()))),
    st.tuples(st.just("cpu.0"), st.tuples(st.just(r.STORE), threads, st.just(PMAP), vpns, frames)),
    *[made(actor, kind, *fields) for actor, kind, *fields in RARE],
]


def slept_and_woken(frame: int, thread: int, number: int) -> list[tuple[str, tuple[Any, ...]]]:
    """A page bound, busy, slept on; woken by its CPU or not; un-busied."""
    bound = [("fq", (r.FREE_TAKE, frame, 0, 0, False, 63)), ("pq", (r.PAGE_BIND, frame, OBJECT, 0, 0, 1, 3, 0))]
    woken = [("cpu.2", (r.WAKE, thread, f"page.{frame}", "timeout"))] if number % 2 else []
    return [*bound, ("cpu.1", (r.SLEEP, thread, f"page.{frame}", "pq")), *woken, ("pq", (r.PAGE_UNBUSY, frame, 3))]


def soft_busy(frame: int, thread: int, number: int) -> list[tuple[str, tuple[Any, ...]]]:
    """A page soft-busy for its object, slept on, un-busied."""
    io = (OBJECT, (r.OBJECT_IO, number, frame, 0, 1))
    return [("pq", (r.PAGE_BIND, frame, OBJECT, number, 0, 1, 3, 0)), io, *slept_and_woken(frame, thread, 0)[2:]]


def space_left(frame: int, thread: int, number: int) -> list[tuple[str, tuple[Any, ...]]]:
    """A mapping is taken away; the other CPU loads another space, or does not."""
    pmap = f"pmap.{number}.cpu.1"
    entered = [(pmap, (r.PTE_SET, 7, frame, RW, -1, 0)), ("cpu.3", (r.TLB_FILL, pmap, 7, frame, RW))]
    left = [("cpu.3", (r.TLB_FLUSH, "", 0, 0, "load"))] if thread % 2 else []
    return [*entered, *left, (pmap, (r.PTE_CLEAR, 7, frame, RW)), ("cpu.0", (r.LOCK_RELEASE, 0, pmap, 1, 5, 0))]


single = st.one_of(wild).map(lambda pair: [pair])
episode = st.builds(
    lambda make, *numbers: make(*numbers), st.sampled_from([slept_and_woken, soft_busy, space_left]), frames, threads, st.integers(0, 3)
)


@given(
    noise=st.lists(st.one_of(episode, single), min_size=12, max_size=40),
    at=st.integers(0, 200),
    cuts=st.lists(st.integers(0, 300), min_size=1, max_size=4),
    workers=st.lists(st.integers(1, 4), min_size=5, max_size=5),
)
@settings(max_examples=120, deadline=None)
def test_any_records_on_any_shards_are_judged_alike(noise, at, cuts, workers):
    """A machine gone mad in the midst of a correct story: every check finds something, and always the same."""
    s = story()
    place = at % len(s.entries)
    tail = s.entries[place:]
    s.entries[place:] = []
    s.now = tail[0][0][0]
    for made in noise:
        for actor, record in made:
            s.at(actor, record)
    s.now = s.now + 10
    for head, word, records in tail:
        s.entries.append(((head[0] + s.now, *head[1:]), word, records))
    s.now = s.entries[-1][0][0]
    slices = sliced(s.entries, cuts)
    alone = run_on(slices, [1] * len(slices), s.now)
    several = run_on(slices, workers[: len(slices)], s.now)
    assert several == alone


@given(cuts=st.lists(st.integers(0, 300), min_size=2, max_size=5), shards=st.integers(2, 4))
@example(cuts=[100, 101], shards=2)
@settings(max_examples=25, deadline=None)
def test_shards_that_go_on_from_their_states_report_the_same_facts(cuts, shards):
    """Not only the same violations: what shards tell each other is compared to the byte when a worker is started anew."""
    slices = sliced(story().entries, cuts)
    first = [Suite((), MACHINE, {}, shard, shards) for shard in range(shards)]
    anew = resumed(first)
    for entries in slices:
        facts = [suite.derived() for suite in fed(first, entries)]
        assert [suite.derived() for suite in fed(anew, entries)] == facts
        for suite in first:
            suite.feed_global([fact for told in facts for fact in told])
        anew = resumed(first)


def fed(suites: list[Suite], entries: list[Any]) -> list[Suite]:
    batches = [suite.route(entries[rank :: len(suites)]) for rank, suite in enumerate(suites)]
    for shard, suite in enumerate(suites):
        suite.feed(merge(decode_routed(encode_routed(batch[shard])) for batch in batches))
    return suites


def resumed(suites: list[Suite]) -> list[Suite]:
    new = [Suite((), MACHINE, {}, shard, len(suites)) for shard in range(len(suites))]
    for suite, old in zip(new, suites, strict=True):
        suite.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(old.state()), type=SuiteState))
    return new


def test_the_story_on_four_shards_uses_all_of_them():
    s = story()
    suites = [Suite((), MACHINE, {}, shard, 4) for shard in range(4)]
    assert one_slice(suites, s.entries) == []
    assert all(any(count for count, _ in suite.evaluated().values()) for suite in suites)


def test_a_translation_that_another_shards_frame_replaces_is_gone_there_too():
    s = Stream().fault(0, 1, 0).fault(0, 2, 1).flush(0).fill(1, 1, 100).fill(1, 2, 100)
    s.unmap(0, 1, 100).free_page(0, 1, 0)
    alone = run_on([s.entries], [1], s.now)
    assert run_on([s.entries], [3], s.now) == alone
    assert [v.check for slice_found in alone[0] for v in slice_found] == ["I-TLB", "I-TLB"], "the odd fill, and never I-FREE-UNMAPPED"


def test_one_shard_is_fed_with_the_very_entries():
    s = story()
    suite = Suite((), MACHINE, {})
    batches = suite.route(s.entries)
    assert len(batches) == 1
    assert batches[0] is s.entries


def test_every_record_that_a_check_or_view_reads_has_a_route():
    suite = Suite((), MACHINE, {})
    for number, row in enumerate(suite._handlers):
        roles = 0
        for role, _ in row:
            roles |= role
        routed = 0
        for role, _, _ in ROUTES.get(number, ()):
            routed |= role
        assert roles & ~routed == 0, f"{r.KINDS[number].name} is read in a role in which it is not routed"


def test_what_is_remembered_of_names_has_a_bound():
    """A run creates objects without end; where their records lead is kept in mind for some of them."""
    router, names = Router(3), [f"object.{n}.cpu.0" for n in range(2 * REMEMBERED + 5)]
    routed = router.route([((n, 1, 0, name, "cpu.0", n, "", 0), "w", [(r.OBJECT_PIP, 0, 1)]) for n, name in enumerate(names)])
    assert [[head[3] for head, _ in part] for part in routed] == [[n for n in names if shard_of_name(n, 3) == shard] for shard in range(3)]
    router.route([((n, 1, 0, "cpu.0", "cpu.0", n, "", 0), "w", [(r.LOCK_ACQUIRE, 0, name, 0, 1, 0, 1)]) for n, name in enumerate(names)])
    assert 0 < max(map(len, router.known.values())) <= REMEMBERED


def test_names_are_sharded_alike_in_every_process():
    assert [shard_of_name(name, 7) for name in ("pq", "fq", OBJECT, PMAP)] == [6, 0, 2, 5]


def test_state_survives_messagepack_at_any_point():
    s = Stream().fault(0, 1, 0).sleep_on(1, 1).acquire(0, "pq", PMAP).at(PMAP, (r.PTE_CLEAR, 100, 1, RW))
    suite = Suite((), MACHINE, {})
    suite.step(s.entries)
    state = suite.state()
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=SuiteState)
    assert again == state
    assert state.pmaps.pmaps[PMAP].changed
    assert state.pages.open_links
