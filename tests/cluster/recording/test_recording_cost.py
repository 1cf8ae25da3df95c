"""The benchmark of recording says what it cannot measure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import shootdown as sd

BENCHMARK = Path(__file__).resolve().parents[3] / "benchmarks" / "recording_cost.py"


def test_a_run_without_a_trace_has_nothing_to_record(tmp_path):
    sets = ["workload.parameters.tasks=1", "workload.parameters.pages=2", "workload.parameters.rounds=1"]
    run = sd.run(sd.load("fault-storm", sets), out=tmp_path / "run", trace=False)
    for path, said in ((run.path, "this run kept no trace"), (tmp_path / "none", "no run directory")):
        ended = subprocess.run([sys.executable, BENCHMARK, path], capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stdout) == (2, "")
        (line,) = ended.stderr.splitlines()
        assert said in line
