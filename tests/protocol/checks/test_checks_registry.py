"""Names, documents and imports of the checks."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from protocol.checks import CHECKS, Suite, check_names, statement
from protocol.checks.base import Check
from tests.protocol.checks.stream import MACHINE, judge, story

ROOT = Path(__file__).parents[3]
FACTS = [
    "I-ONEQ", "I-COUNT", "I-CONSERVE", "I-FREE-CLEAN", "I-FREE-UNMAPPED", "I-UNIQUE", "I-TREE", "I-SINGLE-OWNER", "I-CACHE",
    "I-BUSY-LOCKED", "I-WIRED", "I-UNMANAGED", "I-FICT", "I-ZERO", "I-ZERO-IMMUT", "I-LOCKSET", "I-ORDER", "I-NOSLEEP", "I-SPIN",
    "I-RECURSE", "I-LOCKRESTORE", "I-WANT", "I-NOLOST", "I-BUSY-XOR", "I-BUSY-ONLY", "I-BUSY-VISIBLE", "I-REMOVE-OBJ", "I-PIP",
    "I-REFLIFE", "I-PV-PTE", "I-PTREF", "I-TLB", "I-TLB-DONE", "I-ONE-SHOOT", "I-DIRTY", "I-ACT", "I-PROGRESS", "I-RESERVE", "I-BOUNDS",
    "I-NOABA", "I-COW", "I-DEADLOCK", "I-REFCOUNT", "I-SHADOW", "I-MAP", "I-COLOUR",
]  # fmt: skip
"""The invariants of vm-facts 4, in its order."""


def test_every_invariant_of_the_facts_is_a_check():
    assert len(FACTS) == 46
    assert sorted(CHECKS) == sorted(FACTS)


def test_every_check_says_what_holds_when_and_what_for():
    for name, check in CHECKS.items():
        text = statement(name)
        assert text.startswith("Statement: "), name
        assert "vm-facts" not in text, f"{name}: what it says is printed, and that document is not in the project"
        assert "Evaluated: " in text, name
        assert "Detects: " in " ".join(text.split()), name
        assert check.domains, name


def test_the_page_of_checks_is_complete():
    page = (ROOT / "docs" / "checks.md").read_text()
    headings = [line[3:].strip() for line in page.splitlines() if line.startswith("## I-")]
    assert headings == list(CHECKS)
    for name in CHECKS:
        section = page.split(f"## {name}\n", 1)[1].split("\n## ", 1)[0]
        assert " ".join(statement(name).split()) in " ".join(section.split()), f"docs/checks.md and the docstring of {name} differ"


def test_an_unknown_name_is_refused_with_a_sentence():
    with pytest.raises(KeyError, match="no check is called 'I-ONE'; there are I-ONEQ, I-COUNT"):
        Suite(("I-ONE",), MACHINE, {})
    assert check_names(("I-TLB", "I-ONEQ")) == ("I-ONEQ", "I-TLB")


@pytest.mark.parametrize("name", CHECKS)
def test_each_check_works_alone(name):
    found, evaluated = judge(story(), names=(name,))
    together = judge(story())[1]
    assert not found
    assert evaluated == {name: together[name]}


def test_checks_are_pure():
    """No clock, no randomness, nothing of the runner: a check's verdict is a function of records."""
    forbidden = {"time", "random", "threading", "asyncio", "trio", "anyio", "os", "uuid", "secrets", "cluster", "actors"}
    for path in (ROOT / "protocol").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            assert not {name.split(".")[0] for name in names} & forbidden, path


def test_a_check_is_found_by_its_hooks():
    for check in CHECKS.values():
        for hooks in (*check.before.values(), *check.after.values()):
            for method in hooks.values():
                assert callable(getattr(check, method))
        assert issubclass(check, Check)
