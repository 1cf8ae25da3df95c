"""The house's rules that no type checker sees: imports point one way; nothing below cluster/ can reach a clock, randomness or I/O."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {"protocol": set(), "actors": {"protocol"}, "cluster": {"protocol", "actors"}, "shootdown": {"protocol", "actors", "cluster"}}
BANNED_BELOW_CLUSTER = {"time", "random", "threading", "asyncio", "trio", "anyio", "os", "uuid", "secrets"}
TOP = ROOT / "cluster" / "cli"
"""The command line is a layer over the API, and the only part of cluster/ that may import it."""


def sources(package: str) -> list[Path]:
    return sorted(path for path in (ROOT / package).rglob("*.py") if "__pycache__" not in path.parts)


def imports(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield (node.module or "").partition(".")[0]


def trespasses(package: str, name: str) -> bool:
    foreign = name in MAY_IMPORT and name != package and name not in MAY_IMPORT[package]
    return foreign or (package in ("protocol", "actors") and name in BANNED_BELOW_CLUSTER)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_point_one_way(package):
    assert sources(package), f"{package} is empty"
    found = []
    for path in sources(package):
        for name in imports(path.read_text(encoding="utf-8")):
            if trespasses(package, name) and not (name == "shootdown" and TOP in path.parents):
                found.append(f"{path.relative_to(ROOT)} imports {name}")
    assert found == []


@pytest.mark.parametrize(
    ("package", "line"),
    [
        ("protocol", "from actors.actor import Actor"),
        ("protocol", "import random"),
        ("actors", "from cluster.plan import Plan"),
        ("actors", "import os.path"),
        ("cluster", "import shootdown"),
    ],
)
def test_the_rule_speaks(package, line):
    assert [trespasses(package, name) for name in imports(line)] == [True]


def test_nothing_prints_or_pickles():
    for package in MAY_IMPORT:
        for path in sources(package):
            names = set(imports(path.read_text(encoding="utf-8")))
            assert not names & {"pickle", "marshal", "shelve"}, path


def test_every_module_says_why_it_is():
    silent = [str(path) for package in MAY_IMPORT for path in sources(package) if not ast.get_docstring(ast.parse(path.read_text("utf-8")))]
    assert silent == []
