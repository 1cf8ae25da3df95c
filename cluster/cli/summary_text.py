"""A run's summary as a kernel engineer wants to read it: what ended, what it cost, which locks hurt, what the checks said.

Made from the very dictionary that ``--json`` prints, so that the two cannot tell different stories.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest
from typing import Any

from cluster.cli.output import counted, duration, printable, table
from cluster.cli.worker_text import worker_lines

VIOLATIONS_SHOWN_MAX = 10
SERIAL_PERCENT = 10
"""From this share of all CPU time spent waiting for one lock on, the summary says that the lock serialises the machine."""

Summary = dict[str, Any]


def summary_lines(summary: Summary) -> list[str]:
    """The whole summary."""
    sections = (
        head_lines(summary),
        fault_lines(summary),
        workload_lines(summary),
        lock_lines(summary),
        injected_lines(summary),
        violation_lines(summary),
        wait_lines(summary),
        check_lines(summary),
        worker_lines(summary),
    )
    return [line for section in sections if section for line in (*section, "")][:-1]


def head_lines(summary: Summary) -> list[str]:
    """What was run and how it ended."""
    workers = summary["workers"]
    several = f"on {workers} worker{' processe' if summary['transport'] == 'socket' else ''}s"
    where = "in one process" if workers == 1 else several
    rate = summary["events"] / summary["wall_s"] if summary["wall_s"] else 0
    return [
        f"{printable(summary['scenario'])}, seed {summary['seed']}, kernel {summary['kernel']}{_forms(summary)}, {where}",
        f"  {summary['ended']}: {printable(summary['why'])}",
        f"  {duration(summary['virtual_ns'])} of virtual time in {summary['wall_s']:.2f} s (after {summary['start_s']:.2f} s to start): "
        f"{summary['events']:,} events, {rate:,.0f} per second, {summary['records']:,} records",
        f"  digest {summary['digest']}",
        f"  {printable(summary['run_dir'])}" + ("" if summary["trace"] else " (without a trace)"),
        *(f"  kernel: {printable(note)}" for note in summary["kernel_notes"]),
        *(f"  {restart}" for restart in summary["restarts"]),
    ]


def _forms(summary: Summary) -> str:
    """The forms that differ from the preset's."""
    from protocol.kernels import PRESETS

    preset = PRESETS.get(summary["kernel"], {})
    changed = [f"{name}={form}" for name, form in summary["kernel_forms"].items() if preset.get(name) != form]
    return f" with {', '.join(changed)}" if changed else ""


def fault_lines(summary: Summary) -> list[str]:
    """Faults, shootdowns and memory, in three short tables side by side would be wide; one under the other reads better."""
    m = summary["metrics"]
    faults = ("faults.zero_fill", "faults.soft", "faults.cow", "faults.hard", "accesses.hit")
    names = ("zero-fill", "soft (zero-fill included)", "copy on write", "hard", "recorded, but a hit here")
    shoots = [("shootdowns", m["tlb.shootdowns"]), ("with remote CPUs", m["tlb.shootdowns_remote"]), ("IPIs sent", m["ipi.sent"])]
    shoots += [("TLB invalidations, local", m["tlb.invalidations.local"]), ("TLB invalidations, remote", m["tlb.invalidations.remote"])]
    memory = [("pages allocated", m["pages.allocated"]), ("resident at most", m["pages.resident_max"]), ("fewest free", m["free.min"])]
    memory += [("pageouts", m["pageouts"]), ("waits for memory", m["vm_waits"]), ("context switches", m["context_switches"])]
    memory += [("objects collapsed", m["collapses"]), ("objects bypassed", m["bypasses"])]
    rows = []
    for three in zip_longest([(name, m[key]) for name, key in zip(names, faults, strict=True)], shoots, memory, fillvalue=("", "")):
        rows.append([cell for pair in three for cell in pair])
    return table(("page faults", "", "shootdowns", "", "memory", ""), rows)


def workload_lines(summary: Summary) -> list[str]:
    """What became of the input."""
    w = summary["workload"]
    lines = [f"  workload {printable(w['name'])}: {w['lines']:,} lines, {w['replayed']:,} replayed{_reasons(', ignored: ', w['ignored'])}"]
    if w["absorbed"]:
        lines.append(f"    recorded faults that are no fault here{_reasons(': ', w['absorbed'])}")
    forks = w["forks"]
    if any(forks.values()) or w["execs"] or w["exits"]:
        lines.append(
            f"    {forks['fork']} forks, {forks['vfork']} vforks, {forks['thread']} threads, "
            f"{w['execs']} execs, {w['exits']} exits, {w['mmaps']} mmaps"
        )
    return lines


def _reasons(prefix: str, counts: dict[str, int]) -> str:
    order = sorted(counts.items(), key=lambda count: (-count[1], count[0]))
    return prefix + ", ".join(f"{count:,} {printable(reason)}" for reason, count in order) if counts else ""


def lock_lines(summary: Summary) -> list[str]:
    """Lock contention, the lock that costs most first."""
    found: dict[str, dict[str, int]] = {}
    for name, value in summary["metrics"].items():
        if name.startswith("lock."):
            lock, _, what = name.removeprefix("lock.").rpartition(".")
            found.setdefault(lock, {})[what] = value
    used = {lock: row for lock, row in found.items() if row["acquires"]}
    order = sorted(used, key=lambda lock: (-(used[lock]["wait_ns"] + used[lock]["spin_ns"]), -used[lock]["acquires"], lock))
    rows = []
    for lock in order:
        times = [duration(used[lock][what]) for what in ("wait_ns", "spin_ns", "hold_ns_max")]
        rows.append((lock, used[lock]["acquires"], used[lock]["contended"], *times))
    return table(("lock", "acquires", "contended", "waited", "spun", "longest hold"), rows) + _serial(summary, used, order) if rows else []


def _serial(summary: Summary, used: dict[str, dict[str, int]], order: list[str]) -> list[str]:
    cpu_ns = summary["virtual_ns"] * summary["cpus"]
    for lock in order[:1]:
        percent = 100 * (used[lock]["wait_ns"] + used[lock]["spin_ns"]) // max(1, cpu_ns)
        if percent >= SERIAL_PERCENT:
            waited = f"the time spent waiting for it is {percent} % of all CPU time"
            return [f"  {lock} serialises the machine: {waited}; more workers cannot help that"]
    return []


def injected_lines(summary: Summary) -> list[str]:
    """Declared faults and whether they happened."""
    fired, silent = summary["faults_fired"], summary["faults_silent"]
    rows = []
    for fault in summary["faults"]:
        name, count = fault["name"], fired[fault["name"]]
        rows.append((name, fault_words(fault), times(count) if count else f"never fired: {silent[name]}"))
    rows += [(name, "", "not in this run: the seed left it out") for name in summary["faults_left_out"]]
    lines = table(("injected fault", "", ""), rows) if rows else []
    live = summary["liveness"]
    if live is not None:
        said = "" if live["judged"] else " (the run ended before that could be judged)"
        lines += [f"  faults end at {duration(live['heal_ns'])}; who waits then must move within {duration(live['bound_ns'])}{said}"]
    return lines


def fault_words(fault: dict[str, Any]) -> str:
    """A fault as this run had it: its kind and its numbers, which a swarm may have drawn."""
    when = fault.get("when", {})
    said = {key: value for key, value in (when | fault).items() if key not in ("name", "kind", "when")}
    shown = [f"{key}={','.join(value) if isinstance(value, list) else value}" for key, value in said.items()]
    return " ".join(filter(None, (fault["kind"], when.get("kind"), *shown)))


def times(count: int) -> str:
    """How often a fault fired."""
    return f"fired {count:,} time{'s' if count != 1 else ''}"


def violation_lines(summary: Summary) -> list[str]:
    """The first violations, in words."""
    shown: Iterable[dict[str, Any]] = summary["violations"][:VIOLATIONS_SHOWN_MAX]
    lines = []
    for v in shown:
        where = f"{v['time_ns']:,} ns, {printable(v['actor'])} (event {printable(v['event'])})"
        lines.append(f"  {v['check']} at {where}: {printable(v['message'])}")
    rest = summary["violations_total"] - len(lines)
    return (
        [f"  {counted(summary['violations_total'], 'violation')}", *lines, *([f"  … and {rest:,} more"] if rest else [])] if lines else []
    )


def wait_lines(summary: Summary) -> list[str]:
    """Who waits for whom, where that is why the run ended."""
    if summary["ended"] not in ("stuck", "panic") or not summary["waits"]:
        return []
    return ["  who waits for whom", *(f"    {printable(wait_line(row))}" for row in summary["waits"])]


def wait_line(row: list[Any]) -> str:
    """One row of the wait-for graph in words: (thread, task, what it waits for, since, locks held, routine)."""
    thread, task, wanted, since_ns, held, routine = row
    who = f"thread {thread}" + (f" (task {task})" if task >= 0 else "")
    holding = f", holding {', '.join(held)}" if held else ""
    name = routine if isinstance(routine, str) else routine[0] if isinstance(routine, list | tuple) and routine else ""
    return f"{who} waits for {wanted or 'its turn'} since {since_ns:,} ns{holding}" + (f", in {name}" if name else "")


def check_lines(summary: Summary) -> list[str]:
    """How often the checks looked, and which had nothing to look at."""
    checks = summary["checks"]
    if not checks:
        return ["  no checks were enabled"]
    looked = {name: row for name, row in checks.items() if row["evaluated"]}
    total = sum(row["evaluated"] for row in looked.values())
    silent = sorted(set(checks) - set(looked))
    bad = sorted(name for name, row in looked.items() if row["violations"])
    verdict = f"violated: {', '.join(bad)}" if bad else "none violated"
    return [
        f"  {len(looked)} of {len(checks)} checks were evaluated, {total:,} times: {verdict}",
        *([f"  not exercised: {', '.join(silent)}"] if silent else []),
    ]
