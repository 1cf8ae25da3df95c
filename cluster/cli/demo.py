"""``shootdown demo``: the main job from package data, on two workers and then on one, and why the times differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cluster.cli.options import Json, Out, Seed
from cluster.cli.output import few, note, print_json, say

if TYPE_CHECKING:
    from shootdown import Run

SCENARIO = "demo"


def command(seed: Seed = 1, out: Out = None, as_json: Json = False) -> int:
    """Replay a bundled recording on two workers with a delay and a fault, then on one, and compare."""
    import shootdown as sd
    from cluster.cli.making import make_run
    from cluster.cli.run import ended
    from cluster.cli.summary_text import summary_lines

    scenario = sd.load(SCENARIO)
    if not as_json:
        say(f"{scenario.title}", "")
    two = make_run(scenario, "two workers", seed=seed, workers=2, out=out)
    if not as_json:
        say(*summary_lines(two.summary), "")
    one = _on_one_worker(scenario, seed)
    if as_json:
        print_json({"two_workers": two.summary, "one_worker": one, "equal": one["digest"] == two.digest})
    else:
        say(*compared(two.summary, one), *next_steps(two))
    return 1 if one["digest"] != two.digest else ended(two)


def _on_one_worker(scenario: Any, seed: int) -> dict[str, Any]:
    """The same run in this process, its trace written too, for a fair comparison; its directory is not kept."""
    import tempfile
    from pathlib import Path

    from cluster.cli.making import make_run

    note("the same on one worker, for comparison")
    with tempfile.TemporaryDirectory() as directory:
        return make_run(scenario, "one worker", seed=seed, workers=1, out=Path(directory) / "run").summary


def compared(two: dict[str, Any], one: dict[str, Any]) -> list[str]:
    """The times side by side and, from the measured shares, why they differ."""
    same = "the same digest" if one["digest"] == two["digest"] else "ANOTHER DIGEST, which must never happen"
    ratio = one["wall_s"] / two["wall_s"] if two["wall_s"] else 0.0
    shares = two["shares"]
    waiting = sum(row["waiting_percent"] + row["exchanging_percent"] for row in shares) / len(shares)
    windows = max(row["windows"] for row in shares)
    faster = f"{ratio:.2f} times as fast" if ratio >= 1 else f"{1 / ratio:.2f} times as slow" if ratio else "not measured"
    per_window = sum(row["events"] for row in shares) / max(1, windows)
    return [
        f"one worker: {one['wall_s']:.2f} s; two workers: {two['wall_s']:.2f} s, {faster}; {same}",
        f"  two workers must agree on the time {windows:,} times, about every {few(per_window)} events;",
        f"  they spend {waiting:.0f} % of their time waiting for that:",
        f"  a message from one to the other may take as little as {two['partition']['lookahead_ns']} ns, so neither runs further ahead.",
        "  A second worker pays where a window holds hundreds of events; here it shows that it changes nothing of what happens.",
        "",
    ]


def next_steps(run: Run) -> list[str]:
    """What to type next."""
    path = run.path
    return [
        f"read what happened:  shootdown log {path} --kind 'fault.*'",
        f"one page fault:      shootdown log {path} --actor 'cpu.0' --limit 80",
        "an older kernel:     shootdown run redis-bgsave --kernel freebsd-2006",
    ]
