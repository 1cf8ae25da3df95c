"""``shootdown`` alone: what it is and what to type first."""

from __future__ import annotations

from cluster.cli.output import say


def command() -> None:
    """Five lines."""
    say(
        "shootdown replays real programs on a model of a kernel's virtual-memory system, deterministically, on one process or many.",
        "  shootdown demo                          replay a bundled recording on two workers, with a delay and a fault",
        "  shootdown run redis-bgsave --seed 7     replay one; then: shootdown log runs/redis-bgsave-7-1",
        "  shootdown list                          scenarios, machines, kernels, checks, metrics, faults",
        "  shootdown --help                        all commands",
    )


def print_version() -> None:
    """Version of the package, and of the model and the format of runs."""
    from importlib.metadata import PackageNotFoundError, version

    from cluster.plan import FORMAT_VERSION, MODEL_VERSION

    try:
        package = version("shootdown")
    except PackageNotFoundError:
        package = "(not installed)"
    say(f"shootdown {package}, model {MODEL_VERSION}, format {FORMAT_VERSION}")
