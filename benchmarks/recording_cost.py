"""What recording costs per event: grouping and encoding, digest, trace and metrics, each timed over the slices of a stored run.

    python benchmarks/recording_cost.py RUN_DIRECTORY [--repeat N]
    python benchmarks/recording_cost.py            (synthetic faults instead of a run)

Method: one slice at a time is brought into memory as the engine leaves it, the four steps run on it in the order of the recorder, and each
step's wall-clock time is summed over all slices; the pass is repeated and each step's median pass is printed. Holding the whole run in
memory instead would time the processor's caches: it triples every figure. Targets: encoding, digest and trace together at most 1.0 us per
event, metrics at most 0.35 us per record, at most 24 bytes per record on disk.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from time import perf_counter_ns

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from cluster.errors import ShootdownError  # noqa: E402
from cluster.inspect.metrics import Metrics  # noqa: E402
from cluster.recording.digest import Digest  # noqa: E402
from cluster.recording.encode import encoded  # noqa: E402
from cluster.recording.run_dir import open_run  # noqa: E402
from cluster.recording.trace import TraceWriter  # noqa: E402
from protocol.records import Entry  # noqa: E402

STEPS = ("encode", "digest", "trace", "metrics")


def batches(run: Path | None) -> Iterator[tuple[int, list[Entry]]]:
    """The slices of a stored run, or of synthetic faults."""
    if run is None:
        from tests.cluster.recording.synthetic import machine_entries, slices

        yield from slices(machine_entries(4000, cpus=8, think_ns=20_000))
        return
    stored = open_run(run)
    stored.need_trace()
    trace = stored.trace
    for index in trace.slices:
        yield index, trace.slice_entries(index)


class Pass:
    """One pass over all slices; ``spent_ns`` per step."""

    def __init__(self, run: Path | None, file: Path) -> None:
        self.spent_ns = dict.fromkeys(STEPS, 0)
        self.events = self.records = 0
        digest, writer, metrics = Digest(), TraceWriter(file), Metrics()
        for index, entries in batches(run):
            marks = [perf_counter_ns()]
            groups, counts = encoded(entries)
            marks.append(perf_counter_ns())
            digest.fold(index, groups, counts)
            marks.append(perf_counter_ns())
            writer.write(index, groups, counts)
            marks.append(perf_counter_ns())
            metrics.feed(entries)
            marks.append(perf_counter_ns())
            for step, start, end in zip(STEPS, marks, marks[1:]):
                self.spent_ns[step] += end - start
        writer.finish()
        self.bytes, self.events, self.records = writer.offset, metrics.events, metrics.records


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", type=Path)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as folder:
            passes = [Pass(options.run, Path(folder) / "worker-0.trace") for _ in range(options.repeat)]
    except ShootdownError as error:
        parser.exit(error.status, f"{error}\n")
    one = passes[0]
    print(f"{one.events} events, {one.records} records, {one.bytes / one.records:.1f} bytes per record on disk")
    each = {step: median(p.spent_ns[step] for p in passes) / one.events for step in STEPS}
    for step, cost_ns in each.items():
        print(f"{step:<8} {cost_ns:7.0f} ns per event")
    print(f"encode, digest and trace {each['encode'] + each['digest'] + each['trace']:.0f} ns per event")
    print(f"metrics {each['metrics'] * one.events / one.records:.0f} ns per record")


if __name__ == "__main__":
    main()
