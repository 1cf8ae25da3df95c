"""docs/workload-form.md against the form itself."""

import re
from pathlib import Path

import msgpack

from cluster.intake.ledger import REASONS
from cluster.intake.script_steps import WORDS
from protocol.workload import Account, Munmap, Step, Task, Workload, decode

TEXT = (Path(__file__).parents[3] / "docs" / "workload-form.md").read_text()
COMMON = ("at_ns", "cpu", "after", "announced", "line", "expect", "delay_ns", "holds")


def test_every_steps_fields_are_named_in_their_order():
    for kind in Step.__subclasses__():
        row = next(line for line in TEXT.splitlines() if line.startswith(f"| {kind.__struct_config__.tag} | {kind.__name__} |"))
        own = kind.__struct_fields__[: -len(COMMON)]
        assert kind.__struct_fields__[-len(COMMON) :] == COMMON
        assert [word for word in re.findall(r"`(\w+)`", row) if word in own][: len(own)] == list(own)
        assert kind.word in WORDS


def test_the_common_fields_are_a_table_in_their_order():
    assert tuple(re.findall(r"^\| `(\w+)` \| ", TEXT[TEXT.index("A step's array") : TEXT.index("A step starts")], re.MULTILINE)) == COMMON


def test_every_word_of_the_account_is_explained():
    assert [word for word in REASONS if f"`{word}`" not in TEXT] == []


def test_any_msgpack_library_can_write_the_form():
    step = [3, 256, 258, 5000, -1, [[1, 0]]]
    assert str(step) in TEXT
    made = {
        "name": "mine",
        "tasks": [["a", 0, -1, 0, [step]], ["b", 0, -1, 0, []]],
        "files": [],
        "account": {},
        "cpus": 1,
    }
    workload = decode(msgpack.packb(made))
    munmap = Munmap(start=256, end=258, at_ns=5000, cpu=-1, after=((1, 0),))
    assert workload == Workload("mine", [Task("a", 0, -1, 0, [munmap]), Task("b", 0, -1, 0, [])], [], Account(), 1)
