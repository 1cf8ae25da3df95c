"""``shootdown torture SCENARIO``: kill workers at random, and see that the digest does not change."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Annotated

from cluster.cli.options import Apply, Json, Kernel, Revert, ScenarioArgument, Seed, Sets, SnapshotMs, integer_option
from cluster.cli.output import DIFFERS, DONE, note, print_json, say

if TYPE_CHECKING:
    from shootdown import Run
    from shootdown.torturing import Row

TortureWorkers = Annotated[int, integer_option("--workers", "-w", least=2, most=64, help="Worker processes.")]
Kills = Annotated[int, integer_option("--kills", least=0, most=100_000, help="Runs whose workers are killed.")]
Resumes = Annotated[
    int, integer_option("--resumes", least=0, most=100_000, help="Runs whose every process is killed, and which are resumed.")
]
HEAD = "| run | killed | signal | at | restarts | rounds said again | workers at the end | s | |\n|---|---|---|---|---|---|---|---|---|"


def command(
    scenario: ScenarioArgument,
    seed: Seed = 1,
    workers: TortureWorkers = 2,
    kills: Kills = 10,
    resumes: Resumes = 2,
    snapshot_ms: SnapshotMs = 500,
    sets: Sets = [],
    kernel: Kernel = None,
    revert: Revert = [],
    apply: Apply = [],
    as_json: Json = False,
) -> int:
    """Kill workers of a run at random, over and over: every time the digest must be that of the run in which nothing happened."""
    from shootdown.sweeping import Subject
    from shootdown.torturing import torture

    subject = Subject(scenario, tuple(sets), kernel, tuple(revert), tuple(apply))
    rows = torture(subject, seed=seed, workers=workers, kills=kills, resumes=resumes, snapshot_ms=snapshot_ms)
    calm: Run = next(rows)  # type: ignore[assignment]
    if not as_json:
        say(
            f"{calm.summary['scenario']}, seed {seed}, {workers} workers, undisturbed: {calm.summary['wall_s']:.1f} s, {calm.digest}",
            "",
            HEAD,
        )
    found: list[Row] = []
    for row in rows:
        found.append(row)  # type: ignore[arg-type]
        if not as_json:
            say(_line(found[-1]))
    wrong = [row for row in found if row.wrong]
    if as_json:
        print_json({"digest": calm.digest, "workers": workers, "rows": [row.as_json() for row in found], "wrong": len(wrong)})
    else:
        say("", _verdict(found))
    note(*(f"shootdown: run {row.kill.number} ({row.kill.whom}): {row.wrong}" for row in wrong))
    return DIFFERS if wrong else DONE


def _undisturbed(calm: Run) -> str:
    told = calm.summary
    return f"{told['scenario']}, seed {told['seed']}, {told['workers']} workers, undisturbed: {told['wall_s']:.1f} s, digest {calm.digest}"


def _line(row: Row) -> str:
    kill = row.kill
    cells = (
        kill.number, kill.whom, signal.Signals(kill.signal).name, f"{kill.at_permille / 10:.1f} %", row.restarts, row.repeated,
        row.workers, row.wall_s, "WRONG" if row.wrong else "same",
    )  # fmt: skip
    return "| " + " | ".join(map(str, cells)) + " |"


def _verdict(rows: list[Row]) -> str:
    hit = sum(1 for row in rows if row.hit)
    same = sum(1 for row in rows if not row.wrong)
    restarts, repeated = sum(row.restarts for row in rows), sum(row.repeated for row in rows)
    return (
        f"{same} of {len(rows)} have the undisturbed digest and trace, and nothing was left behind; {hit} were hit before they ended; "
        f"{restarts} workers were started anew, {repeated:,} rounds were said again and compared"
    )
