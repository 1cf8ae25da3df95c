"""The machine's constants: none of them is a setting that changes nothing."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from protocol.machine import Costs

ROOT = Path(__file__).resolve().parents[2]
ROOMS = (ROOT / "actors", ROOT / "cluster")
READ = set(re.findall(r"costs\.(\w+)", "\n".join(path.read_text("utf-8") for room in ROOMS for path in room.rglob("*.py"))))


@pytest.mark.parametrize("name", [field.name for field in msgspec.structs.fields(Costs)])
def test_somebody_spends_every_cost(name):
    assert name in READ


def test_what_nobody_spends_is_noticed():
    assert "syscall_ns" not in READ, "a cost that was declared, and was charged nowhere"
