"""``shootdown check FILE``: validate a scenario and print it expanded, with lookahead and partition."""

from __future__ import annotations

from typing import Any

from cluster.cli.options import Apply, Json, Kernel, Revert, ScenarioArgument, Seed, Sets, Workers
from cluster.cli.output import counted, print_json, say


def command(
    scenario: ScenarioArgument,
    seed: Seed = 1,
    workers: Workers = 2,
    sets: Sets = [],
    kernel: Kernel = None,
    revert: Revert = [],
    apply: Apply = [],
    as_json: Json = False,
) -> None:
    """Validate SCENARIO and print it with every option, the lookahead and the partition."""
    import shootdown as sd
    from cluster.scenario.expand import to_toml

    loaded = sd.load(scenario, sets=sets, kernel=kernel, revert=revert, apply=apply)
    report = sd.placement(loaded, seed=seed, workers=workers)
    if as_json:
        print_json({"scenario": loaded.expanded(), "partition": report})
    else:
        say(to_toml(loaded.expanded()), *partition_lines(report))


def partition_lines(report: dict[str, Any]) -> list[str]:
    """The partition as TOML comments, so that the whole output is a scenario file."""
    lookahead = report["lookahead_ns"]
    words = "no lookahead is needed" if lookahead is None else f"lookahead {lookahead} ns"
    lines = [f"# {counted(report['workers'], 'worker')}: {words} ({report['bound']})"]
    lines += [f"#   worker {rank}: {_run_together(roots)}" for rank, roots in enumerate(report["roots"])]
    return lines


def _run_together(names: list[str]) -> str:
    """``cpu.0 cpu.1 cpu.2 pq`` as ``cpu.0-2 pq``."""
    parts: list[list[str]] = []
    for name in names:
        kind, _, number = name.rpartition(".")
        last = parts[-1] if parts else None
        if last and number.isdigit() and last[0] == kind and int(last[2]) + 1 == int(number):
            last[2] = number
        else:
            parts.append([kind, number, number] if number.isdigit() else [name, "", ""])
    return " ".join(f"{kind}.{first}-{last}" if first != last else f"{kind}.{first}" if first else kind for kind, first, last in parts)
