import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.recording.encode import by_actor, decoded, encoded, until
from protocol.records import Entry
from tests.cluster.recording.synthetic import machine_entries

names = st.sampled_from(["cpu.0", "cpu.10", "pq", "object.7.cpu.3", "ü.1"])
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=5)
fields = scalars | st.lists(scalars | st.lists(scalars, max_size=2).map(tuple), max_size=3).map(tuple)
times = st.integers(0, 2**62)
heads = st.tuples(times, st.integers(0, 1), st.integers(0, 2**63 - 1), names, names, times, names, times)
records = st.lists(st.tuples(st.integers(1, 133), fields, fields), max_size=3)
entries_of_any_kind = st.lists(st.tuples(heads, st.text(max_size=8), records), max_size=8)


@settings(deadline=None)
@given(entries_of_any_kind)
def test_what_is_decoded_equals_what_was_encoded(entries: list[Entry]):
    groups, counts = encoded(entries)
    back = {actor: decoded(data) for actor, data in groups.items()}
    assert back == by_actor(entries)
    assert {actor: len(group) for actor, group in back.items()} == counts
    assert sum(counts.values()) == len(entries)


def test_sequences_come_back_as_tuples_so_that_checks_see_what_they_saw_online():
    entry = ((5, 1, 0, "cpu.0", "cpu.1", 3, "boot", 0), "ipi", [(7, "page.3", (1, 2)), (8, 1, "vm_fault", (1, ("a",)), ("pq",))])
    (back,) = decoded(encoded([entry])[0]["cpu.0"])
    assert back == entry
    assert type(back[2][0][2]) is tuple
    assert type(back[2][1][3][1]) is tuple


def test_the_bytes_are_plain_messagepack():
    entries = machine_entries(4)
    groups, _ = encoded(entries)
    for actor, group in by_actor(entries).items():
        assert msgpack.unpackb(groups[actor], use_list=False) == tuple((head, word, tuple(records)) for head, word, records in group)


def test_a_group_keeps_the_order_of_its_entries():
    entries = machine_entries(10)
    for group in by_actor(entries).values():
        assert group == sorted(group, key=lambda entry: entry[0])


@pytest.mark.parametrize("position", [0, 7, -1])
def test_until_keeps_the_entry_of_the_cut_itself(position):
    entries = machine_entries(3)
    kept = until(entries, entries[position][0][:6])
    assert kept == (entries if position == -1 else entries[: position + 1])
