"""Where the wall-clock time of the workers went, and why more of them do or do not help."""

from __future__ import annotations

from typing import Any

from cluster.cli.output import few, table

EVENTS_PER_WINDOW_MIN = 100
"""Below so many events per window, a window's exchange costs as much as its work (measured: 3 to 40 us against 2 us an event)."""


def worker_lines(summary: dict[str, Any]) -> list[str]:
    """One row per worker, then the lookahead."""
    rows = [
        (
            row["rank"],
            *(f"{row[f'{name}_percent']:.0f} %" for name in ("busy", "recording", "waiting", "exchanging")),
            row["events"],
            row["windows"],
            row["events_per_window"],
            row["work_us_per_window"],
        )
        for row in summary["shares"]
    ]
    head = ("worker", "busy", "recording", "waiting", "exchanging", "events", "windows", "events/window", "us/window")
    return [*table(head, rows), *snapshot_lines(summary), *lookahead_lines(summary)]


def snapshot_lines(summary: dict[str, Any]) -> list[str]:
    """What snapshots cost, if there were any."""
    rows = [row for row in summary["shares"] if row["snapshots"]]
    if not rows:
        return []
    count, size = max(row["snapshots"] for row in rows), sum(row["snapshot_bytes"] for row in rows)
    share = max(row["snapshot_percent"] for row in rows)
    return [f"  {count} snapshot{'s' if count > 1 else ''}, {size / (1 << 20) / count:.1f} MiB each, {share} % of a worker's time"]


def lookahead_lines(summary: dict[str, Any]) -> list[str]:
    """The lookahead, what bounds it, and what follows for the speed of several workers."""
    lookahead = summary["partition"]["lookahead_ns"]
    if summary["workers"] == 1 or lookahead is None:
        return []
    per_window = sum(row["events"] for row in summary["shares"]) / max(1, max(row["windows"] for row in summary["shares"]))
    verdict = (
        "too little to pay for an exchange: this machine does not run faster on more workers"
        if per_window < EVENTS_PER_WINDOW_MIN
        else "enough to pay for an exchange"
    )
    return [
        f"  lookahead {lookahead} ns, bound by {summary['partition']['bound']}",
        f"  {few(per_window)} events per window on all workers together: {verdict}",
    ]
