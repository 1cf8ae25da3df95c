"""What documents list is what there is: every file of the house, every point at which a thread can be held."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from cluster.cli.commands import COMMANDS
from cluster.experiments.experiment import experiment_files, load_experiment
from cluster.scenario.checks_named import known_checks
from protocol.changes import CHANGES
from protocol.checks.registry import CHECKS
from protocol.faults import FIELDS, KINDS
from protocol.points import POINTS
from tests.shootdown.test_machine_faults import SHOWS as MACHINE_FAULTS

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("protocol", "actors", "cluster", "shootdown")
TEXT = (ROOT / "docs" / "architecture.md").read_text("utf-8")
ROWS = {found[1]: found[2] for found in re.finditer(r"^\| `([a-z_/]+)/` \| (.*) \|$", TEXT, re.MULTILINE)}
NOT_FILES = re.compile(r"`(?:--[a-z-]+|[a-z_]+/)`")
"""In the rows, what is in backticks and no file: options and folders."""


def files(room):
    return {path.stem for path in (ROOT / room).glob("*.py")} - {"__init__"}


def named(room):
    return set(re.findall(r"`([A-Za-z_]+)`", NOT_FILES.sub("", ROWS[room])))


def rooms():
    found = {path.parent.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    return sorted(room for room in found if files(room))


def test_every_room_has_a_row():
    assert sorted(ROWS) == rooms()


@pytest.mark.parametrize("room", rooms())
def test_a_room_s_row_names_its_files_and_no_other(room):
    assert named(room) == files(room)


def test_every_point_at_which_a_script_may_hold_a_thread_is_described():
    text = (ROOT / "docs" / "workload-form.md").read_text("utf-8")
    assert dict(re.findall(r"^\| `([a-z_A-Z0-9]+\.[a-z_-]+)` \| (.*) \|$", text, re.MULTILINE)) == POINTS


def test_the_counts_that_documents_give_are_the_code_s():
    changes = sum(not change.hazard for change in CHANGES.values())
    hazards, checks = len(CHANGES) - changes, len(known_checks())
    readme, rooms_text = (ROOT / "README.md").read_text("utf-8"), TEXT
    assert f"{changes} changes that were made" in readme
    assert f"{hazards} hazards that its code of 2006 kept" in readme
    assert f"{checks} invariants are checked" in readme
    assert f"all {changes + hazards}" in readme
    assert f"| {checks} invariants as predicates" in rooms_text
    assert f"All {changes} changes" in rooms_text
    assert f"all {hazards} hazards" in rooms_text


def test_every_check_is_described():
    text = (ROOT / "docs" / "checks.md").read_text("utf-8")
    assert sorted(re.findall(r"^## (I-[A-Z-]+)$", text, re.MULTILINE)) == sorted(known_checks())


def speaks_rows() -> list[str]:
    """The table of docs/checks.md as the files of experiments and scenarios have it."""
    rows = []
    arms = [(name, arm, table.shows) for name in experiment_files() for arm, table in load_experiment(name).arms.items()]
    files = {path.stem: tomllib.loads(path.read_text("utf-8")) for path in SCENARIOS.glob("*.toml")}
    expected = {name: tables.get("expect", {}).get("violations", ()) for name, tables in files.items()}
    for check in CHECKS:
        found = {name: " ".join(f"`{arm}`" for other, arm, shows in arms if other == name and check in shows) for name, _, _ in arms}
        cells = [f"[{name}](changes/{name}.md) {shown}" for name, shown in found.items() if shown]
        scenarios = [f"`{name}`" for name in sorted(expected) if check in expected[name]]
        rows.append(f"| [{check}](#{check.lower()}) | {', '.join(cells)} | {', '.join(scenarios)} |")
    return rows


def test_where_each_check_speaks_is_what_experiments_and_scenarios_must_show():
    """Where this fails, the rows that should be there are what it shows."""
    lines = (ROOT / "docs" / "checks.md").read_text("utf-8").splitlines()
    begin, rows = lines.index("| check | in experiments | in scenarios |") + 2, speaks_rows()
    missing = [row for row in rows if row not in lines]
    assert missing == [], "\n".join(["docs/checks.md has to have", *missing])
    assert lines[begin : begin + len(rows) + 1] == [*rows, ""]


def test_every_command_is_in_the_readme():
    readme = (ROOT / "README.md").read_text("utf-8")
    assert [name for name in COMMANDS if f"`{name}" not in readme] == []


def test_every_kind_of_fault_and_each_of_its_keys_is_described():
    """Where this fails, the rows that should be there are what it shows."""
    text = (ROOT / "docs" / "faults.md").read_text("utf-8")
    kinds = [f"| `{word}` | {kind.scope} | {_code(kind.needs)} | {_code(kind.takes)} | {kind.meaning} |" for word, kind in KINDS.items()]
    keys = [f"| `{name}` | {_holds(field)} | {field.meaning} |" for name, field in FIELDS.items()]
    lines = text.splitlines()
    assert [row for row in lines if re.match(r"\| `[a-z-]+` \| (message|instant|[a-z]+) \| .* \| .* \| .* \|$", row)] == kinds
    begin = lines.index("| key | holds | is |") + 2
    assert lines[begin : begin + len(keys) + 1] == [*keys, ""]


def _code(names):
    return " ".join(f"`{name}`" for name in names)


def _holds(field):
    if field.unit not in ("", "ns"):
        return field.unit
    return f"{field.least:,} to {field.greatest:,}" + (" ns" if field.unit else "")


def test_every_kind_of_fault_of_links_has_its_two_outcomes_described():
    text = (ROOT / "docs" / "faults.md").read_text("utf-8")
    found = text[text.index("## Links") : text.index("## Parts of the machine")]
    assert set(re.findall(r"^\| `([a-z-]+)` \|", found, re.MULTILINE)) == {word for word, kind in KINDS.items() if kind.linked}


def test_every_fault_of_a_part_of_the_machine_and_what_is_seen_of_it_is_described():
    text = (ROOT / "docs" / "faults.md").read_text("utf-8")
    found = text[text.index("## Parts of the machine") : text.index("## Swarm")]
    parts = {word for word, kind in KINDS.items() if kind.scope != "message" or word.startswith("pager-")}
    assert parts - set(re.findall(r"^\| `([a-z-]+)` \|", found, re.MULTILINE)) == set()
    named = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`(?: \(|:|,| \||$)", found, re.MULTILINE)) & {
        path.stem for path in SCENARIOS.glob("*.toml")
    }
    assert {path.stem for path in SCENARIOS.glob("*.toml") if path.stem in MACHINE_FAULTS} <= named


SCENARIOS = ROOT / "configs" / "scenarios"
