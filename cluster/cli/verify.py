"""``shootdown verify SCENARIO``: one digest per (scenario, seed), whatever the workers, the backend, the hash seed and the trace.

Every combination runs in a process of its own, for ``PYTHONHASHSEED`` is fixed when an interpreter starts; so a verification also
exercises the command line that users have.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from cluster.cli.options import Apply, Json, Kernel, Revert, ScenarioArgument, Seed, Sets, integer_option, worker_counts
from cluster.cli.output import DIFFERS, DONE, note, print_json, say

if TYPE_CHECKING:
    from cluster.cli.verify_memory import Memory

WorkerList = Annotated[str, typer.Option("--workers", help="Worker counts, separated by commas.")]
BackendList = Annotated[str, typer.Option("--backends", help="Backends, separated by commas.")]
HashSeeds = Annotated[int, integer_option("--hash-seeds", least=1, most=64, help="How many values of PYTHONHASHSEED, from 0 on.")]
Trace = Annotated[str, typer.Option("--trace", help="on, off or both.")]
Cover = Annotated[str, typer.Option("--cover", help="full: every combination; pairwise: every pair of values at least once.")]

Continued = Annotated[
    Path | None, typer.Option("--continue", metavar="FILE", help="Remember digests in FILE, and take those it has.", show_default=False)
]

COVERS = ("full", "pairwise")
TRACES = {"on": (True,), "off": (False,), "both": (True, False)}


class Combination(NamedTuple):
    """One way to run the scenario."""

    workers: int
    backend: str
    hash_seed: int
    trace: bool


def command(
    scenario: ScenarioArgument,
    seed: Seed = 1,
    workers: WorkerList = "1,2,3,4",
    backends: BackendList = "trio,asyncio",
    hash_seeds: HashSeeds = 3,
    trace: Trace = "both",
    cover: Cover = "full",
    continued: Continued = None,
    sets: Sets = [],
    kernel: Kernel = None,
    revert: Revert = [],
    apply: Apply = [],
    as_json: Json = False,
) -> int:
    """Run SCENARIO in every combination and compare the digests; status 1 if they differ."""
    import shootdown as sd
    from cluster.cli.verify_memory import Memory, identity

    loaded = sd.load(scenario, sets, kernel, revert, apply)
    chosen = combinations(worker_counts("verify", workers), _backends(backends), hash_seeds, _one_of("--trace", trace, TRACES), cover)
    compiled = loaded.compile(seed)
    for count in {combination.workers: None for combination in chosen}:
        sd.placement(loaded, seed=seed, workers=count, workload=compiled)
    memory = Memory(continued, identity(loaded.to_plan(seed, workload=compiled)))
    options = [f"--seed={seed}", *([f"--kernel={kernel}"] if kernel else [])]
    options += [f"--{name}={text}" for name, texts in (("set", sets), ("revert", revert), ("apply", apply)) for text in texts]
    show = note if as_json else say
    show(f"{loaded.name}, seed {seed}: {len(chosen)} runs", HEAD)
    runs = _digests(chosen, memory, lambda combination: digest_of(scenario, options, combination), show)
    different = len({run["digest"] for run in runs})
    if as_json:
        print_json({"scenario": loaded.name, "seed": seed, "runs": runs, "equal": different == 1})
    else:
        say("all digests are equal" if different == 1 else f"{different} different digests")
    return DONE if different == 1 else DIFFERS


def _digests(
    chosen: list[Combination], memory: Memory, find: Callable[[Combination], str], show: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Each combination with its digest, remembered or found now, shown as soon as it is known."""
    runs = []
    for combination in chosen:
        digest = memory.get(combination) or find(combination)
        memory.put(combination, digest)
        runs.append({**combination._asdict(), "digest": digest})
        show(line(runs[-1]))
    return runs


HEAD = "  workers  backend  hash seed  trace  digest"


def line(run: dict[str, Any]) -> str:
    """One row of the table, under HEAD."""
    return f"  {run['workers']:>7}  {run['backend']:<7}  {run['hash_seed']:>9}  {'on' if run['trace'] else 'off':<5}  {run['digest']}"


def combinations(workers: Sequence[int], backends: Sequence[str], hash_seeds: int, trace: str, cover: str) -> list[Combination]:
    """The combinations to run, in order; with ``pairwise`` a covering set of them."""
    factors = (workers, backends, range(hash_seeds), TRACES[trace])
    if _one_of("--cover", cover, COVERS) == "full":
        return [Combination(*parts) for parts in itertools.product(*factors)]
    from cluster.promises.covering import covering

    rows: Sequence[tuple[Any, ...]] = covering(factors)
    return [Combination(*row) for row in rows]


def digest_of(scenario: str, options: list[str], combination: Combination) -> str:
    """The digest of one combination, run in a process of its own. Raises the child's error as one of ours."""
    import json
    import os
    import subprocess
    import sys
    import tempfile

    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONHASHSEED": str(combination.hash_seed), "PYTHONPATH": path}
    with tempfile.TemporaryDirectory(prefix="shootdown-verify-") as directory:
        command_line = [sys.executable, "-m", "cluster.cli.main", "run", scenario, "--json", f"--out={directory}/run", *options]
        command_line += [f"--workers={combination.workers}", f"--backend={combination.backend}"]
        command_line += [] if combination.trace else ["--no-trace"]
        child = subprocess.run(command_line, capture_output=True, text=True, check=False, env=environment)
    try:
        value = json.loads(child.stdout)
    except json.JSONDecodeError:
        value = {}
    if "digest" not in value:
        raise _failure(value.get("error", {}), child.returncode, child.stderr)
    digest: str = value["digest"]
    return digest


def _failure(error: dict[str, Any], status: int, stderr: str) -> Exception:
    from cluster.errors import InputError, RunError

    fields = {key: error.get(key) for key in ("file", "line", "key", "found", "allowed")}
    lines = stderr.strip().splitlines()
    message = error.get("message") or (lines[-1] if lines else f"a run ended with status {status} and said nothing")
    return (InputError if status == 2 else RunError)(message, **fields)


def _backends(text: str) -> list[str]:
    return list(dict.fromkeys(_one_of("--backends", part.strip(), ("trio", "asyncio")) for part in text.split(",")))


def _one_of(option: str, text: str, allowed: Any) -> str:
    if text not in allowed:
        raise _refusal(option, text, " or ".join(allowed))
    return text


def _refusal(option: str, found: str, allowed: str) -> Exception:
    from cluster.scenario.refusal import refuse

    return refuse("verify", option, found, allowed)
