import msgspec
import pytest

from cluster.plan import Model, Plan
from cluster.recording.digest import FIRST_CHAIN, Digest, first_difference, header, run_digest
from cluster.recording.encode import encoded
from protocol.faults import Fault
from tests.cluster.recording.synthetic import machine_entries, slices

PLAN = Plan(Model("machine", kernel={"R01": "looks-again", "R02": "after-shootdown"}, workload_digest="abc"), 7, "redis")


def folded(entries, **options):
    digest = Digest(**options)
    for index, batch in slices(entries):
        digest.fold(index, *encoded(batch))
    return digest


def test_chains_do_not_depend_on_which_worker_an_actor_lives_on():
    entries = machine_entries(80, cpus=4)
    together = folded(entries).chains()
    apart = [folded([e for e in entries if (sum(map(ord, e[0][3])) % 3) == rank]).chains() for rank in range(3)]
    assert all(apart)
    assert together == {**apart[0], **apart[1], **apart[2]}
    assert run_digest(b"", [together]) == run_digest(b"", apart) == run_digest(b"", apart[::-1])


def test_one_changed_field_changes_only_that_actors_chain_and_the_digest():
    entries = machine_entries(50)
    at = next(n for n, entry in enumerate(entries) if entry[2] and entry[0][3] == "pq")
    head, word, records = entries[at]
    changed = [*entries[:at], (head, word, [(*records[0][:-1], 999999), *records[1:]]), *entries[at + 1 :]]
    one, other = folded(entries).chains(), folded(changed).chains()
    assert {actor for actor in one if one[actor] != other[actor]} == {"pq"}
    assert run_digest(b"", [one]) != run_digest(b"", [other])


def test_the_slice_an_entry_falls_into_is_part_of_the_chain():
    groups, counts = encoded(machine_entries(2))
    here, there = Digest(), Digest()
    here.fold(4, groups, counts)
    there.fold(5, groups, counts)
    assert here.chains() != there.chains()


def test_slices_without_entries_leave_a_chain_alone_and_counts_add_up():
    digest = Digest()
    groups, counts = encoded(machine_entries(2))
    digest.fold(0, groups, counts)
    before = digest.chains()
    digest.fold(1, {}, {})
    assert digest.chains() == before
    digest.fold(2, groups, counts)
    assert digest.chains()["pq"][0] == 2 * counts["pq"]
    assert digest.chains()["pq"][1] != before["pq"][1] != FIRST_CHAIN


def test_a_restored_digest_goes_on_as_if_nothing_had_happened():
    entries = machine_entries(120, think_ns=60_000)
    batches = list(slices(entries))
    assert len(batches) >= 3
    whole = folded(entries)
    first, second = Digest(), Digest()
    first.fold(batches[0][0], *encoded(batches[0][1]))
    stored = msgspec.msgpack.decode(msgspec.msgpack.encode(first.state()), type=dict[str, tuple[int, bytes]])
    second.restore(stored)
    for index, batch in batches[1:]:
        second.fold(index, *encoded(batch))
    assert second.chains() == whole.chains()


def test_an_actor_on_two_workers_is_noticed():
    chains = folded(machine_entries(2)).chains()
    with pytest.raises(AssertionError, match="on two workers"):
        run_digest(b"", [chains, {"pq": (1, FIRST_CHAIN)}])


@pytest.mark.parametrize(
    "change",
    [
        {"workers": 4},
        {"backend": "asyncio"},
        {"transport": "socket"},
        {"trace": False},
        {"checks": ("I-TLB",)},
        {"workload_path": "/elsewhere"},
        {"run_dir": "/elsewhere"},
        {"scenario": "another-name"},
    ],
)
def test_where_and_how_a_run_runs_is_not_in_the_header(change):
    assert header(msgspec.structs.replace(PLAN, **change)) == header(PLAN)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "phold"},
        {"kernel": {"R01": "trusts-page", "R02": "after-shootdown"}},
        {"workload_digest": "abd"},
        {"faults": (Fault("f", "lose"),)},
        {"workload_options": {"retouch": 1}},
        {"parameters": {"actors": 3}},
    ],
)
def test_what_defines_the_trace_is_in_the_header(change):
    assert header(msgspec.structs.replace(PLAN, model=msgspec.structs.replace(PLAN.model, **change))) != header(PLAN)
    assert header(msgspec.structs.replace(PLAN, seed=8)) != header(PLAN)


def test_the_header_does_not_depend_on_the_order_of_a_mapping():
    turned = msgspec.structs.replace(PLAN.model, kernel=dict(reversed(PLAN.model.kernel.items())))
    assert header(msgspec.structs.replace(PLAN, model=turned)) == header(PLAN)


def test_the_ledger_names_the_first_slice_and_the_actors_that_differ():
    entries = machine_entries(120, think_ns=60_000)
    at = next(n for n, e in enumerate(entries) if e[0][0] >> 20 == 1 and e[0][3] == "fq" and e[2])
    head, word, records = entries[at]
    changed = [*entries[:at], (head, word, records * 2), *entries[at + 1 :]]
    mine, theirs = folded(entries, ledger=True).ledger, folded(changed, ledger=True).ledger
    assert mine is not None
    assert theirs is not None
    assert first_difference(mine, mine) is None
    assert first_difference(mine, theirs) == (1, ("fq",))
    assert first_difference(mine, [row for row in mine if row[:2] != (2, "pq")]) == (2, ("pq",))


def test_a_chain_remembers_every_slice_before():
    groups, counts = encoded(machine_entries(2))
    others, their_counts = encoded(machine_entries(3))
    one, other = Digest(), Digest()
    one.fold(0, groups, counts)
    other.fold(0, others, their_counts)
    for digest in (one, other):
        digest.fold(1, groups, counts)
    assert one.chains()["pq"][1] != other.chains()["pq"][1]
