import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.errors import InputError
from cluster.inspect.escape import escaped
from cluster.inspect.select import Selection
from cluster.inspect.words import in_words, lock_in_words
from protocol import records as kinds
from protocol.messages.locks import EXCLUSIVE
from protocol.pages import ACTIVE, NONE, PTE_A, PTE_MANAGED, PTE_RW, PTE_V

ACQUIRE = (kinds.LOCK_ACQUIRE, 7, "object.3.cpu.0", EXCLUSIVE, 12, 0, 1)
ENTER = (kinds.ENTER, 7, "vm_fault", (5,), ("map.1", "object.3.cpu.0"))
SWITCH = (kinds.SWITCH, 7, 8, "pmap.1")
PTE = (kinds.PTE_SET, 0x7F3A0, 0x1F2, PTE_V | PTE_RW, 0x1F3, 0)
WAKEUP = (kinds.WAKEUP, "page.3", (7, 9))
REFS = (kinds.OBJECT_REFS, 7, 8)


@pytest.mark.parametrize(
    ("asked", "record", "taken"),
    [
        ({}, ACQUIRE, True),
        ({"kind": "lock.*"}, ACQUIRE, True),
        ({"kind": "ipi.*"}, ACQUIRE, False),
        ({"kind": "lock.acquire"}, ACQUIRE, True),
        ({"actor": "cpu.?"}, ACQUIRE, True),
        ({"actor": "pq"}, ACQUIRE, False),
        ({"lock": "object.*"}, ACQUIRE, True),
        ({"lock": "vm object"}, ACQUIRE, True),
        ({"lock": "vm_object"}, ACQUIRE, True),
        ({"lock": "pq"}, ACQUIRE, False),
        ({"lock": "map.1"}, ENTER, True),
        ({"lock": "pmap.*"}, PTE, False),
        ({"frame": 0x1F2}, PTE, True),
        ({"frame": 0x1F3}, PTE, True),
        ({"frame": 0x7F3A0}, PTE, False),
        ({"frame": 7}, ACQUIRE, False),
        ({"thread": 7}, ACQUIRE, True),
        ({"thread": 8}, ACQUIRE, False),
        ({"thread": 8}, SWITCH, True),
        ({"thread": 9}, WAKEUP, True),
        ({"thread": 7}, REFS, False),
        ({"kind": "pte.*", "frame": 0x1F2, "actor": "cpu.0"}, PTE, True),
        ({"kind": "pte.*", "frame": 0x1F2, "actor": "cpu.1"}, PTE, False),
    ],
)
def test_a_selection_takes_what_was_asked_for_and_nothing_else(asked, record, taken):
    assert Selection(**asked).takes("cpu.0", record) is taken


def test_a_record_made_for_a_thread_belongs_to_it_though_it_does_not_say_so():
    assert Selection(thread=7).takes("object.3", REFS, 7)
    assert not Selection(thread=7).takes("object.3", REFS, 8)


def test_an_unknown_kind_is_refused_with_the_kinds_there_are():
    with pytest.raises(InputError, match=r"no kind of record is called 'ipl\.\*'; kinds are .*ipi\.send"):
        Selection(kind="ipl.*")


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ((kinds.PAGE_QUEUE, 0x1F2, NONE, ACTIVE), {"frame": "0x1f2", "old": "NONE", "new": "ACTIVE"}),
        (
            (kinds.PTE_SET, 0x7F3A0, 0x1F2, PTE_V | PTE_RW | PTE_A | PTE_MANAGED, -1, 0),
            {"vpn": "0x7f3a0", "frame": "0x1f2", "bits": "V|RW|A|MANAGED", "old_frame": "none", "old_bits": "0"},
        ),
        ((kinds.PAGE_FLAGS, 3, 0x80, 0x90), {"frame": "0x3", "old": "REFERENCED", "new": "WRITEABLE|REFERENCED"}),
        ((kinds.FREE_TAKE, 3, 1, 2, True, 9), {"frame": "0x3", "colour": 1, "klass": "SYSTEM", "zeroed": True, "free": 9}),
        ((kinds.IPI_SEND, 1, 3, "pmap.1", 4, 5), {"vector": "INVLPG", "target": "cpu.3", "pmap": "pmap.1", "start": "0x4", "end": "0x5"}),
        ((kinds.MAP_PROTECT, 1, 2, 5), {"start": "0x1", "end": "0x2", "prot": "r-x"}),
        ((kinds.OBJECT_TYPE, 0, 1), {"old": "DEFAULT", "new": "SWAP"}),
        ((kinds.OBJECT_REFS, 1, 2), {"old": 1, "new": 2}),
        ((kinds.SHOOT_ARM, 2), {"targets": 2}),
        ((kinds.LOCK_WAIT, 4, "pq", -1), {"thread": 4, "lock": "pq", "owner": "none"}),
        (
            (kinds.ENTER, 4, "mmap", (0x10200, 3), ("map.1",)),
            {"thread": 4, "routine": "mmap", "arguments": ["0x10200", 3], "held": ["map.1"]},
        ),
    ],
)
def test_fields_in_the_fields_words(record, words):
    assert in_words(record) == words


def test_a_value_out_of_its_range_is_shown_as_it_is():
    assert in_words((kinds.PAGE_QUEUE, 0x1F2, 99, -3)) == {"frame": "0x1f2", "old": 99, "new": -3}


def test_a_lock_is_called_by_its_type():
    assert lock_in_words("object.3.cpu.0") == "vm object object.3.cpu.0"
    assert lock_in_words("fq") == "vm page queue free mutex fq"
    assert lock_in_words("strange") == "strange"


@settings(deadline=None)
@given(st.text(alphabet=st.characters(), max_size=20), st.text(max_size=20))
def test_escaped_text_is_one_printable_line_and_never_two_texts_look_alike(one, other):
    assert escaped(one).isprintable()
    assert (escaped(one) == escaped(other)) == (one == other)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis-server", "redis-server"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("a\nb", "a\\nb"),
        ("\u202eevil", "\\u202eevil"),
        ("\ud800", "\\ud800"),
        ("a\\n", "a\\\\n"),
        ("ü", "ü"),
    ],
)
def test_hostile_text_loses_its_power(text, shown):
    assert escaped(text) == shown
