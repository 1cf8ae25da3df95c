"""A recording brings the machine's CPU count with it, unless the user names a machine."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from cluster.errors import InputError
from cluster.scenario.scenario import load

SHIPPED = Path(__file__).parents[3] / "configs" / "recordings" / "gcc-compile.perf.txt.xz"


@pytest.fixture
def on_four(tmp_path):
    """gcc's recording with its second CPU renamed to the fourth."""
    path = tmp_path / "four.perf.txt"
    path.write_bytes(lzma.decompress(SHIPPED.read_bytes()).replace(b"[001]", b"[003]"))
    return path


def test_a_recording_of_four_cpus_gets_a_machine_of_four(on_four):
    scenario = load(str(on_four))
    assert scenario.machine.cpus == 4
    assert scenario.compile(1).cpus == 4


def test_spreading_keeps_the_machine(on_four):
    assert load(str(on_four), sets=["workload.cpus=2"]).machine.cpus == 2


def test_a_machine_that_was_asked_for_is_not_widened(on_four):
    with pytest.raises(InputError, match="at least 4"):
        load(str(on_four), sets=["machine.cpus=2"]).compile(1)


def test_the_shipped_recordings_keep_two():
    assert load("gcc-compile").machine.cpus == 2
