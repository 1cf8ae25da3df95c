"""Recordings, generators and scripts compiled to the one workload form (``protocol.workload``, ``docs/workload-form.md``)."""

from cluster.intake.compile_perf import compile_recording, inspect
from cluster.intake.generators import GENERATORS, generator
from cluster.intake.respread import respread
from cluster.intake.scripts import compile_script, load_script

__all__ = ["GENERATORS", "compile_recording", "compile_script", "generator", "inspect", "load_script", "respread"]
