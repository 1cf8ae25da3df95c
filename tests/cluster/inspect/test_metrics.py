from dataclasses import dataclass

import msgspec
import pytest

from cluster.inspect.metrics import Metrics
from cluster.inspect.tally import METRICS, Tally, merged, metric_names, metrics_of
from protocol import records as kinds
from protocol.messages.locks import EXCLUSIVE, SHARED, SPIN, UPGRADE
from protocol.pages import ACTIVE, BUSY, CACHE, FREE, HOLD, INACTIVE, NONE
from tests.cluster.recording.synthetic import machine_entries

FRAMES = 1000


@dataclass
class Feed:
    """Records at rising times, each in an entry of its own."""

    time: int = 0

    def __post_init__(self):
        self.metrics = Metrics()

    def __call__(self, *records):
        for record in records:
            self.time += 10
            self.metrics.feed([((self.time, 1, 0, "cpu.0", "cpu.0", self.time, "boot", 0), "timer", [record])])
        return self

    def result(self, **options):
        return metrics_of(self.metrics.state(), FRAMES, **options)


@pytest.fixture
def feed():
    return Feed()


def test_every_metric_of_the_contract_has_a_meaning_and_a_value(feed):
    promised = [
        "faults.hard",
        "faults.cow",
        "faults.soft",
        "faults.zero_fill",
        "faults.recorded",
        "faults.modelled",
        "accesses.hit",
        "ipi.sent",
        "ipi.delivered",
        "tlb.shootdowns",
        "tlb.shootdowns_remote",
        "tlb.invalidations.local",
        "tlb.invalidations.remote",
        "pages.allocated",
        "pages.freed",
        "pages.leaked",
        "pages.lost_writes",
        "pages.resident_max",
        "pageouts",
        "collapses",
        "bypasses",
        "vm_waits",
        "context_switches",
        "busy.writes",
        "free.min",
    ]
    locks = [
        f"lock.{word}.{name}"
        for word in ("vm_page_queue", "vm_page_queue_free", "vm_object", "pmap", "smp_ipi", "vm_map")
        for name in ("acquires", "contended", "wait_ns", "spin_ns", "hold_ns_max", "recursion_max")
    ]
    assert not {*promised, *locks} - set(metric_names())
    assert list(feed.result()) == list(metric_names())
    assert list(feed.result())[: len(METRICS)] == list(METRICS)
    assert feed.result() == dict.fromkeys(metric_names(), 0) | {"free.min": FRAMES}


def test_locks_count_acquires_waits_holds_and_recursion_by_class(feed):
    feed(
        (kinds.LOCK_ACQUIRE, 1, "pq", EXCLUSIVE, 5, 0, 1),
        (kinds.LOCK_ACQUIRE, 1, "pq", EXCLUSIVE, 5, 0, 2),
        (kinds.LOCK_RELEASE, 1, "pq", 5, 0, 1),
        (kinds.LOCK_RELEASE, 1, "pq", 5, 700, 0),
        (kinds.LOCK_WAIT, 2, "object.1", 1),
        (kinds.LOCK_ACQUIRE, 2, "object.1", EXCLUSIVE, 1, 300, 1),
        (kinds.LOCK_ACQUIRE, 2, "object.9.cpu.3", EXCLUSIVE, 1, 40, 1),
        (kinds.LOCK_RELEASE, 2, "object.1", 1, 90, 0),
        (kinds.LOCK_RELEASE, 2, "object.9.cpu.3", 1, 20, 0),
        (kinds.LOCK_ACQUIRE, 2, "fq", SPIN, 1, 125, 1),
        (kinds.LOCK_RELEASE, 2, "fq", 1, 45, 0),
    )
    got = feed.result()
    assert {name: got[f"lock.vm_page_queue.{name}"] for name in ("acquires", "contended", "hold_ns_max", "recursion_max")} == {
        "acquires": 2, "contended": 0, "hold_ns_max": 700, "recursion_max": 2,
    }  # fmt: skip
    assert [got[f"lock.vm_object.{name}"] for name in ("acquires", "contended", "wait_ns", "spin_ns", "hold_ns_max", "recursion_max")] == [
        2, 2, 340, 0, 90, 1,
    ]  # fmt: skip
    assert [got[f"lock.vm_page_queue_free.{name}"] for name in ("acquires", "contended", "wait_ns", "spin_ns")] == [1, 1, 0, 125]
    assert got["lock.pmap.acquires"] == got["lock.pmap.recursion_max"] == 0


def test_an_upgrade_is_no_new_acquire_but_its_wait_counts(feed):
    feed(
        (kinds.LOCK_ACQUIRE, 1, "map.1", SHARED, 1, 0, 1),
        (kinds.LOCK_ACQUIRE, 1, "map.1", UPGRADE, 2, 60, 1),
        (kinds.LOCK_RELEASE, 1, "map.1", 2, 500, 0),
    )
    got = feed.result()
    assert [got[f"lock.vm_map.{name}"] for name in ("acquires", "contended", "wait_ns", "hold_ns_max")] == [1, 1, 60, 500]


@pytest.mark.parametrize(
    ("how", "hard", "cow", "name"),
    [
        ("soft", False, False, "soft"),
        ("zero-fill", False, False, "soft"),
        ("cow", False, True, "cow"),
        ("hard", True, True, "hard"),
        ("hard", True, False, "hard"),
    ],
)
def test_a_fault_is_hard_if_it_waited_else_cow_if_it_copied_else_soft(feed, how, hard, cow, name):
    got = feed((kinds.FAULT_DONE, 1, 77, how, hard, cow)).result()
    assert {kind: got[f"faults.{kind}"] for kind in ("hard", "cow", "soft")} == {"hard": 0, "cow": 0, "soft": 0} | {name: 1}
    assert got["faults.zero_fill"] == (how == "zero-fill")


def test_recorded_faults_are_modelled_or_hits_with_a_reason(feed):
    feed((kinds.TLB_HIT, 1, 5, "zero_page"), (kinds.TLB_HIT, 1, 6, "zero_page"), (kinds.TLB_HIT, 1, 7, "earlier"))
    got = feed.result(recorded=10)
    assert (got["faults.recorded"], got["faults.modelled"], got["accesses.hit"]) == (10, 7, 3)
    assert feed.metrics.state().absorbed == {"zero_page": 2, "earlier": 1}


def test_shootdowns_and_invalidations_local_and_remote(feed):
    feed(
        (kinds.SHOOT_BEGIN, 1, "pmap.1", 4, 5, ()),
        (kinds.TLB_FLUSH, "pmap.1", 4, 5, "local"),
        (kinds.SHOOT_DONE, 1, "pmap.1", 4, 5, (), 0),
        (kinds.SHOOT_BEGIN, 1, "pmap.1", 4, 5, (1, 2)),
        (kinds.IPI_SEND, 1, 1, "pmap.1", 4, 5),
        (kinds.IPI_SEND, 1, 2, "pmap.1", 4, 5),
        (kinds.IPI_DELIVER, 1, "cpu.0"),
        (kinds.TLB_FLUSH, "pmap.1", 4, 5, "ipi"),
        (kinds.TLB_FLUSH, "", 0, 0, "load"),
        (kinds.SHOOT_DONE, 1, "pmap.1", 4, 5, (1, 2), 410),
    )
    got = feed.result()
    assert (got["tlb.shootdowns"], got["tlb.shootdowns_remote"]) == (2, 1)
    assert (got["tlb.invalidations.local"], got["tlb.invalidations.remote"]) == (1, 1)
    assert (got["ipi.sent"], got["ipi.delivered"], got["ipi.spin_ns"]) == (2, 1, 410)


def test_memory_in_use_is_frames_less_those_free_or_withheld(feed):
    feed(
        (kinds.FREE_TAKE, 1, 0, 0, False, 999),
        (kinds.FREE_WITHHOLD, 900, 99),
        (kinds.FREE_TAKE, 2, 0, 0, False, 98),
        (kinds.FREE_WITHHOLD, -900, 998),
        (kinds.FREE_PUT, 2, False, 999),
    )
    got = feed.result()
    assert (got["free.min"], got["pages.resident_max"]) == (98, 2)
    assert (got["pages.allocated"], got["pages.freed"]) == (2, 1)


def test_a_frame_that_is_neither_page_nor_free_has_leaked(feed):
    feed((kinds.FREE_TAKE, 1, 0, 0, False, 999), (kinds.PAGE_BIND, 1, "object.1", 0, 0, BUSY, 1, 0))
    assert feed.result()["pages.leaked"] == 0
    feed((kinds.PAGE_RELEASE, 1, "object.1", 0, HOLD))
    assert feed.result()["pages.leaked"] == 0
    feed((kinds.PAGE_HOLD, 1, 2, 1))
    assert feed.result()["pages.leaked"] == 0
    feed((kinds.PAGE_HOLD, 1, 1, 0))
    assert feed.result()["pages.leaked"] == 1
    feed((kinds.FREE_PUT, 1, False, 1000))
    assert feed.result()["pages.leaked"] == 0


def test_a_page_that_nobody_owns_has_leaked_until_an_object_or_a_wiring_has_it(feed):
    for frame in (1, 2, 3):
        feed((kinds.FREE_TAKE, frame, 0, 3, False, 1000 - frame), (kinds.PAGE_BIND, frame, "", 0, 0, 0x800, 1, 0))
    assert feed.result()["pages.leaked"] == 3
    feed((kinds.PAGE_REBIND, 1, "object.kernel", 0), (kinds.PAGE_WIRE, 2, 0, 1))
    state = feed.metrics.state()
    assert feed.result()["pages.leaked"] == 1 and list(state.unowned) == [3]
    feed((kinds.PAGE_RELEASE, 3, "", 0, FREE), (kinds.FREE_PUT, 3, False, 998))
    assert feed.result()["pages.leaked"] == 0
    feed.metrics.restore(state)
    assert feed.result()["pages.leaked"] == 1


def test_unholding_a_page_that_was_not_freed_lets_nothing_go(feed):
    feed((kinds.FREE_TAKE, 1, 0, 0, False, 999), (kinds.PAGE_BIND, 1, "object.1", 0, 0, BUSY, 1, 0))
    feed((kinds.PAGE_HOLD, 1, 0, 1), (kinds.PAGE_HOLD, 1, 1, 0))
    assert feed.result()["pages.leaked"] == 0
    feed((kinds.PAGE_RELEASE, 1, "object.1", 0, FREE))
    assert feed.result()["pages.leaked"] == 1


def test_collapses_and_bypasses_and_not_what_moves_up_in_between(feed):
    feed(
        (kinds.OBJECT_COLLAPSE, 1, "object.2", "object.1", "collapse", 3, 1),
        (kinds.OBJECT_COLLAPSE, 1, "object.3", "object.2", "bypass", 0, 0),
        (kinds.OBJECT_COLLAPSE, 1, "object.4", "object.2", "bypass", 0, 0),
        (kinds.OBJECT_COLLAPSE, 1, "object.5", "object.4", "pages", 2, 0),
    )
    assert (feed.result()["collapses"], feed.result()["bypasses"]) == (1, 2)


def test_busy_writes_vm_waits_switches_and_pageouts(feed):
    feed(
        (kinds.PAGE_BIND, 1, "object.1", 0, 0, BUSY, 1, 0),
        (kinds.PAGE_BIND, 2, "", 0, 1, 0, 1, 0),
        (kinds.PAGE_UNBUSY, 1, 1),
        (kinds.PAGE_BUSY, 1, 1),
        (kinds.SLEEP, 1, "v_free_count", "pq"),
        (kinds.SLEEP, 1, "page.7", "pq"),
        (kinds.SWITCH, 1, 2, "pmap.1"),
        (kinds.PAGER_START, "write", "object.1", 0, 3),
        (kinds.PAGER_START, "read", "object.1", 0, 8),
    )
    got = feed.result()
    assert (got["busy.writes"], got["vm_waits"], got["context_switches"], got["pageouts"]) == (3, 1, 1, 3)


STORE = (kinds.STORE, 1, "pmap.1", 5, 7)
ANONYMOUS = "object.1.cpu.0"
BIND = (kinds.PAGE_BIND, 7, ANONYMOUS, 0, 0, BUSY, 1, 0)
TO_CACHE = (kinds.PAGE_QUEUE, 7, INACTIVE, CACHE)
WRITTEN = (kinds.PAGE_DIRTY, 7, 0xFF, 0)
GONE = ((kinds.PAGE_QUEUE, 7, CACHE, NONE), (kinds.PAGE_RELEASE, 7, ANONYMOUS, 0, FREE))
OF_A_FILE = (kinds.PAGE_RELEASE, 7, "object.1", 0, FREE)


@pytest.mark.parametrize(
    ("records", "lost"),
    [
        ((BIND, STORE, WRITTEN, TO_CACHE, *GONE), 0),
        ((BIND, TO_CACHE, *GONE, STORE), 0),
        ((BIND, STORE, TO_CACHE, *GONE), 1),
        ((BIND, STORE, STORE, TO_CACHE), 2),
        ((BIND, STORE, WRITTEN, STORE, TO_CACHE), 1),
        ((BIND, TO_CACHE, STORE, *GONE), 1),
        ((BIND, TO_CACHE, (kinds.PAGE_QUEUE, 7, CACHE, ACTIVE), STORE, WRITTEN, TO_CACHE), 0),
        ((BIND, TO_CACHE, (kinds.PAGE_QUEUE, 7, CACHE, ACTIVE), STORE, *GONE[1:]), 0),
        ((BIND, STORE, *GONE[1:], BIND, TO_CACHE), 0),
        ((STORE, TO_CACHE), 1),
        ((BIND, STORE, OF_A_FILE), 1),
        ((BIND, STORE, WRITTEN, OF_A_FILE), 0),
    ],
)
def test_a_store_is_lost_when_the_page_is_cached_or_freed_as_clean_without_a_write_out_since(feed, records, lost):
    assert feed(*records).result()["pages.lost_writes"] == lost


def test_lost_writes_are_found_when_cpus_and_queues_live_on_different_workers():
    cpu, queues = Feed(), Feed()
    for record in (BIND, STORE, TO_CACHE):
        (cpu if record is STORE else queues)(record)
        cpu.time = queues.time = max(cpu.time, queues.time)
    assert metrics_of(merged([queues.metrics.state(), cpu.metrics.state()]), FRAMES)["pages.lost_writes"] == 1


def test_counting_can_stop_and_go_on_anywhere():
    entries = machine_entries(30)
    whole = Metrics()
    whole.feed(entries)
    for at in (0, 1, 100, len(entries)):
        first, second = Metrics(), Metrics()
        first.feed(entries[:at])
        second.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(first.state()), type=Tally))
        second.feed(entries[at:])
        assert second.state() == whole.state()
        assert (second.events, second.records) == (len(entries), sum(len(entry[2]) for entry in entries))


def test_the_synthetic_machine_counts_as_it_was_scripted():
    metrics = Metrics()
    metrics.feed(machine_entries(50))
    got = metrics_of(metrics.state(), 4096)
    assert (got["faults.zero_fill"], got["pages.allocated"], got["pages.freed"], got["ipi.sent"]) == (50, 50, 10, 10)
    assert (got["lock.vm_page_queue_free.acquires"], got["lock.vm_page_queue.acquires"]) == (50, 160)
    assert got["pages.leaked"] == got["pages.lost_writes"] == 0
    assert got["lock.vm_object.contended"] > 0


def test_every_kind_of_record_is_counted_without_a_lock_or_a_home_being_known():
    metrics = Metrics()
    others = {number: kind for number, kind in kinds.KINDS.items() if not kind.name.startswith("lock.")}
    plain = [(number, *["" if field == "object" else 0 for field in kind.fields]) for number, kind in others.items()]
    metrics.feed([((1, 1, 0, "cpu.0", "boot", 1, "boot", 0), "x", plain)])
    assert metrics.records == len(plain)
    assert all(metrics.state().kinds[number] == 1 for number, *_ in plain)
