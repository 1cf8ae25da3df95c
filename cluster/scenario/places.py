"""Where ``configs/`` is, and what it holds: scenarios, machines and recordings found by name from any directory.

In a checkout (and an editable install) ``configs/`` stands beside the packages; a wheel carries it inside ``shootdown/``.
importlib.resources was rejected: it knows only what is inside a package, and the tree keeps ``configs/`` at its root, where people look.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from cluster.errors import RunError

RECORDING_SUFFIXES = (".perf.txt", ".perf.txt.xz", ".perf.txt.gz", ".perf.txt.zst", ".txt", ".xz", ".gz", ".zst")


@cache
def configs() -> Path:
    """The directory of the shipped configurations. Raises RunError if the installation is incomplete."""
    root = Path(__file__).resolve().parents[2]
    for place in (root / "configs", root / "shootdown" / "configs"):
        if (place / "machines").is_dir():
            return place
    raise RunError(f"the package's own configs/ are missing: looked beside {root / 'cluster'} and in {root / 'shootdown'}", file=str(root))


def names(kind: str) -> dict[str, Path]:
    """Name to path of what ``configs/<kind>`` holds (``scenarios``, ``machines``, ``recordings``), in order of name."""
    suffixes = RECORDING_SUFFIXES if kind == "recordings" else (".toml",)
    found = {}
    directory = configs() / kind
    for path in sorted(directory.iterdir()) if directory.is_dir() else ():
        suffix = next((s for s in suffixes if path.name.endswith(s)), None)
        if suffix:
            found[path.name.removesuffix(suffix)] = path
    return dict(sorted(found.items()))


def stem_of(path: Path) -> str:
    """A recording's or scenario's name from its file name: what is left without the known endings."""
    suffix = next((s for s in (*RECORDING_SUFFIXES, ".toml") if path.name.endswith(s)), "")
    return path.name.removesuffix(suffix) or path.name
