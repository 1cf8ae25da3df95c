"""What a script injects is checked where it is compiled: an injection is taken for what it is, or refused with what is allowed."""

from __future__ import annotations

import inspect

import pytest

from actors.homes.page_life import POKED
from actors.kernel.inject import INJECTIONS
from cluster.errors import InputError
from cluster.intake.script_inject import ALLOWED, QUEUES, VALUES
from cluster.intake.scripts import compile_script
from cluster.scenario import load
from protocol.workload import Inject

FILES = [{"name": "lib", "pages": 16}, {"name": "data", "pages": 4}]
PAGE = {"what": "page", "file": "lib", "pindex": 3, "field": "wire", "value": 1}


def compiled(*injected):
    tables = {"file": FILES, "inject": list(injected), "task": [{"name": "a", "steps": [{"do": "think", "for_ns": 1}]}]}
    return compile_script(tables, "t", "workload", "x.toml").injected


@pytest.mark.parametrize("queue", QUEUES)
def test_a_queue_that_there_is(queue):
    assert compiled({"what": "file-page", "file": "data", "pindex": 3, "queue": queue}) == [
        Inject("file-page", {"file": 1, "pindex": 3, "queue": queue})
    ]


@pytest.mark.parametrize("field", POKED)
def test_every_field_that_can_be_injected_takes_its_values(field):
    (found,) = compiled({**PAGE, "field": field, "value": VALUES[field]})
    assert found.fields["value"] == VALUES[field]
    with pytest.raises(InputError, match=f"found {VALUES[field] + 1}, allowed: an integer from 0 to {VALUES[field]}"):
        compiled({**PAGE, "field": field, "value": VALUES[field] + 1})


@pytest.mark.parametrize(
    ("table", "key", "allowed"),
    [
        ({"what": "file-page", "file": "lib", "pindex": 0, "queue": "moon"}, "queue", "active, inactive, cache"),
        ({"what": "file-page", "file": "lib", "pindex": 0, "queue": "ACTIVE"}, "queue", "active, inactive, cache"),
        ({"what": "file-page", "file": "lib", "pindex": 16}, "pindex", "an integer from 0 to 15"),
        ({"what": "file-page", "file": "lib", "pindex": -1}, "pindex", "an integer from 0 to 15"),
        ({"what": "file-page", "file": 2, "pindex": 0}, "file", "lib, data"),
        ({"what": "file-page", "file": -1, "pindex": 0}, "file", "lib, data"),
        ({"what": "file-page", "file": True, "pindex": 0}, "file", "an integer"),
        ({**PAGE, "file": "data", "pindex": 4}, "pindex", "an integer from 0 to 3"),
        ({**PAGE, "field": "queue"}, "field", "wire, hold, dirty, act, cow, flags"),
        ({**PAGE, "value": -1}, "value", "an integer from 0 to 65535"),
        ({"what": "free-frames", "frames": -1}, "frames", "an integer from 0"),
        ({"what": "zeroed-frames", "frames": -1}, "frames", "an integer from 0"),
        ({"what": "page-stats-drops-queues", "frames": 1}, "frames", "what"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_can(table, key, allowed):
    with pytest.raises(InputError) as caught:
        compiled(table)
    assert caught.value.key == f"workload.inject[0].{key}"
    assert f"allowed: {allowed}" in str(caught.value)


def test_a_step_s_file_is_one_of_the_script():
    step = {"do": "kernel", "routine": "page_lookup", "arguments": [7, 0]}
    with pytest.raises(InputError, match="found 7, allowed: lib, data"):
        compile_script({"file": FILES, "task": [{"name": "a", "steps": [step]}]}, "t")


def test_ranges_are_of_fields_that_there_are_and_no_integer_or_text_is_without():
    fields = {(what, name) for what, make in INJECTIONS.items() for name in list(inspect.signature(make).parameters)[1:]}
    assert set(ALLOWED) <= fields
    assert {name for _, name in fields - set(ALLOWED)} == {"file", "dirty"}


@pytest.mark.parametrize("what", ["free-frames", "zeroed-frames"])
def test_more_frames_than_the_machine_has(tmp_path, what):
    path = tmp_path / "case.toml"
    task = '[[workload.task]]\nname = "a"\nsteps = [{ do = "think", for_ns = 1 }]\n'
    path.write_text(f'{task}[[workload.inject]]\nwhat = "{what}"\nframes = 2049\n')
    with pytest.raises(InputError, match=r"workload\.inject\[0\]\.frames: found 2049, allowed: 0 to 2048: the machine has") as caught:
        load(path, ["machine.frames=2048"]).compile(1)
    assert caught.value.file == str(path)
    load(path, ["machine.frames=2049"]).compile(1)
