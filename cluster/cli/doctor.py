"""``shootdown doctor``: what this machine offers and what is missing, each line with its consequence."""

from __future__ import annotations

from pathlib import Path

from cluster.cli.options import Json
from cluster.cli.output import print_json, say, table

LIBRARIES = ("anyio", "trio", "msgspec", "msgpack", "pydantic", "structlog", "typer", "rich", "zstandard")
PARANOID = Path("/proc/sys/kernel/perf_event_paranoid")


def command(as_json: Json = False) -> None:
    """Versions, cores, and whether recordings can be made here."""
    facts = {**versions(), **machine(), **perf()}
    if as_json:
        print_json({name: value for name, (value, _) in facts.items()})
        return
    rows = [(name, "-" if value is None else str(value), meaning) for name, (value, meaning) in facts.items()]
    say(*table(("what", "found", "meaning"), rows))


Facts = dict[str, tuple[object, str]]


def versions() -> Facts:
    """Python and the libraries."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    facts: Facts = {"python": (platform.python_version(), "3.11 or newer is needed")}
    for name in LIBRARIES:
        try:
            facts[name] = (version(name), "")
        except PackageNotFoundError:
            facts[name] = (None, f"missing: pip install {name}")
    return facts


def machine() -> Facts:
    """Cores this process may use, memory, and the places it writes."""
    import os
    import tempfile

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    advice = "workers beyond this number only take turns" if cores > 1 else "one core: more workers take longer, and prove the same"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    directory = tempfile.gettempdir()
    writable = os.access(directory, os.W_OK | os.X_OK)
    return {
        "cores": (cores, advice),
        "memory_mib": (memory, ""),
        "socket_directory": (directory, "workers talk over sockets made here" if writable else "not writable: set TMPDIR"),
    }


def perf() -> Facts:
    """The perf tool, and whether an ordinary user may record system-wide."""
    import os
    import shutil

    tool = shutil.which("perf")
    try:
        level: int | None = int(PARANOID.read_text(encoding="ascii"))
    except (OSError, ValueError):
        level = None
    allowed = os.geteuid() == 0 or (level is not None and level < 0)
    refused = "recording system-wide needs root, or -1 here (sysctl kernel.perf_event_paranoid=-1)"
    meaning = "system-wide recording is allowed" if allowed else refused
    return {
        "perf": (tool, "records workloads" if tool else "not installed: the bundled recordings work without it"),
        "perf_event_paranoid": (level, meaning),
    }
