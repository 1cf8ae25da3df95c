"""``shootdown bench``: the project's own benchmarks, each a script that says what it measures and how."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cluster.cli.options import Json
from cluster.cli.output import FAILED, note, print_json, say

Names = Annotated[list[str], typer.Argument(metavar="[NAME]...", help="Benchmarks to run; default: all.", show_default=False)]
Listing = Annotated[bool, typer.Option("--list", help="Only name them.")]


def command(names: Names = [], only_list: Listing = False, as_json: Json = False) -> int:
    """Run the benchmarks of a checkout; each prints its method and its medians."""
    from cluster.scenario.refusal import refuse

    scripts = found()
    for name in names:
        if name not in scripts:
            raise refuse("bench", "NAME", name, scripts)
    chosen = {name: scripts[name] for name in names or scripts}
    if only_list:
        rows = {name: _purpose(path) for name, path in chosen.items()}
        print_json(rows) if as_json else say(*(f"{name}: {text}" for name, text in rows.items()))
        return 0
    results = {name: _measured(name, path, as_json) for name, path in chosen.items()}
    if as_json:
        print_json(results)
    return FAILED if any(result["status"] for result in results.values()) else 0


def found() -> dict[str, Path]:
    """Benchmarks by name. Raises RunError where there are none: a wheel does not carry them."""
    from cluster.errors import RunError

    directory = Path(__file__).resolve().parents[2] / "benchmarks"
    scripts = {path.stem: path for path in sorted(directory.glob("*.py")) if not path.name.startswith("_")}
    if not scripts:
        sentence = f"{directory}: no benchmarks here; they belong to a checkout of the project, not to an installed package"
        raise RunError(sentence, file=str(directory))
    return scripts


def _purpose(path: Path) -> str:
    import ast

    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]


def _measured(name: str, path: Path, as_json: bool) -> dict[str, Any]:
    import subprocess
    import sys

    note(f"{name}: {_purpose(path)}")
    ran = subprocess.run(
        [sys.executable, str(path)], stdout=subprocess.PIPE, text=True, check=False, cwd=path.parents[1], env=_environment()
    )
    if not as_json:
        say(ran.stdout.rstrip())
    return {"status": ran.returncode, "output": ran.stdout.splitlines()}


def _environment() -> dict[str, str]:
    import os

    root = str(Path(__file__).resolve().parents[2])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}
