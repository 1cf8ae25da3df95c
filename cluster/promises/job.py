"""One run as a job: what to run and how, as data that crosses to a process of its own, and what was found there.

It runs the engine itself rather than the command line: it asks for snapshots, begins from some, and wants the chains, which no command
shows. What decides the trace is made exactly as the API makes it, by ``Scenario.compile`` and ``Scenario.to_plan``.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import anyio
import msgspec

from cluster.engine.results import FoundViolation, Outcome
from cluster.engine.snapshot import unpack
from cluster.engine.snapshotting import Snapshots
from cluster.engine.supervise import run_plan
from cluster.errors import InputError
from cluster.inspect.tally import merged, metrics_of
from cluster.plan import Plan
from cluster.recording.trace import TRACE_DIR
from cluster.scenario import Scenario, load
from protocol.workload import Workload, encode


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A run to be made.

    ``label`` is for messages. ``scenario``, ``sets``, ``kernel``: as for ``shootdown run``. ``directory``: the run's, which keeps the
    trace ("": a temporary one if there is a trace). ``snapshot_windows``: after which windows to snapshot, into ``snapshot_directory``.
    ``states``: the files of a snapshot to start from, one per worker that wrote it.
    """

    label: str
    scenario: str
    sets: tuple[str, ...] = ()
    kernel: str | None = None
    seed: int = 1
    workers: int = 1
    backend: str = "trio"
    hash_seed: int = 0
    trace: bool = False
    directory: str = ""
    snapshot_windows: tuple[int, ...] = ()
    snapshot_directory: str = ""
    states: tuple[str, ...] = ()


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a job: what must not differ from run to run, and two measures that may (``windows``, ``seconds`` of wall clock)."""

    digest: str
    ended: str
    why: str
    virtual_ns: int
    events: int
    records: int
    chains: dict[str, tuple[int, str]]
    """Actor to (entries, chain in hexadecimal)."""
    violations: list[FoundViolation]
    evaluated: dict[str, tuple[int, int]]
    fired: dict[str, int]
    metrics: dict[str, int]
    workload: dict[str, int]
    """lines, replayed, ignored in all, faults, forks, vforks, threads, execs, exits, mmaps: the compiled workload's account."""
    windows: int
    seconds: float

    def promised(self) -> dict[str, object]:
        """All that must be equal in every run of one scenario and seed."""
        return {name: value for name, value in msgspec.structs.asdict(self).items() if name not in ("windows", "seconds")}


def differences(one: Found, other: Found) -> list[str]:
    """The names of what differs between two runs that must not differ; chains by their actors."""
    mine, theirs = one.promised(), other.promised()
    names = [name for name in mine if mine[name] != theirs[name] and name != "chains"]
    return names + [f"chain of {actor}" for actor in differing_chains(one, other)]


def differing_chains(one: Found, other: Found) -> list[str]:
    """Actors whose chains differ, or that only one of two runs has, in order of name."""
    actors = sorted(one.chains.keys() | other.chains.keys())
    return [actor for actor in actors if one.chains.get(actor) != other.chains.get(actor)]


def carry_out(job: Job) -> Found:
    """Make the run. Raises InputError for bad input, RunError if it could not be carried out."""
    since = perf_counter()
    scenario = load(job.scenario, job.sets, job.kernel)
    workload = scenario.compile(job.seed)
    with TemporaryDirectory(prefix="shootdown-promise-") as temporary:
        plan = _plan(job, scenario, workload, Path(temporary))
        states = [unpack(_read(path), path) for path in job.states] or None
        snapshots = Snapshots(job.snapshot_windows, job.snapshot_directory)

        async def go() -> Outcome:
            return await run_plan(plan, states=states, snapshots=snapshots)

        outcome = anyio.run(go, backend=job.backend)
    return _found(outcome, scenario, workload, perf_counter() - since)


def _plan(job: Job, scenario: Scenario, workload: Workload, temporary: Path) -> Plan:
    """The plan, its files in place: the compiled workload, and where the trace goes."""
    path = temporary / "workload.msgpack"
    path.write_bytes(encode(workload))
    directory = Path(job.directory) if job.directory else temporary
    if job.trace:
        (directory / TRACE_DIR).mkdir(parents=True, exist_ok=True)
    transport = "inproc" if job.workers == 1 else "socket"
    plan = scenario.to_plan(job.seed, job.workers, job.backend, transport, job.trace, workload)
    return msgspec.structs.replace(plan, workload_path=str(path), run_dir=str(directory.resolve()) if job.trace else "")


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: the snapshot cannot be read: {error.strerror}", file=path, found=error.strerror) from error


def _found(outcome: Outcome, scenario: Scenario, workload: Workload, seconds: float) -> Found:
    chains = {actor: chain for part in outcome.recorded for actor, chain in part.chains.items()}
    tally = merged(part.tally for part in outcome.recorded)
    return Found(
        digest=outcome.digest,
        ended=outcome.ended,
        why=outcome.why,
        virtual_ns=outcome.virtual_ns,
        events=outcome.events,
        records=outcome.records,
        chains={actor: (count, chain.hex()) for actor, (count, chain) in sorted(chains.items())},
        violations=outcome.violations,
        evaluated=dict(sorted(outcome.evaluated.items())),
        fired=dict(sorted(outcome.faults_fired.items())),
        metrics=metrics_of(tally, scenario.machine.frames, workload.account.faults),
        workload=_account(workload),
        windows=max(int(share["windows"]) for share in outcome.shares),
        seconds=round(seconds, 3),
    )


def _account(workload: Workload) -> dict[str, int]:
    account = workload.account
    counts = {name: getattr(account, name) for name in ("lines", "replayed", "faults", "execs", "exits", "mmaps")}
    forks = {f"{how}s": account.forks.get(how, 0) for how in ("fork", "vfork", "thread")}
    return {**counts, **forks, "ignored": sum(account.ignored.values())}
