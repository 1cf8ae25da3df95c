import json
import tomllib

import pytest

from actors.kernel.step import SCRIPTED
from cluster.errors import InputError
from cluster.intake.scripts import compile_script, load_script
from protocol.workload import EXPECTATIONS, Inject, decode, encode

LITMUS = """
[[file]]
name = "lib"
pages = 4
warm = false

[[task]]
name = "writer"
space = "one"
steps = [
    { do = "mmap", vpn = 0x100, pages = 2, prot = "rwx", file = "lib", offset = 1, shared = true },
    { do = "access", va = 0x100fff, write = true, expect = "zero-fill", name = "fill" },
    { do = "think", for_ns = "3 us" },
    { do = "munmap", vpn = 0x100, pages = 2, when = "reader.0" },
]

[[task]]
name = "reader"
cpu = 1
space = "one"
steps = [
    { do = "access", vpn = 0x100, when = ["writer.fill"], delay_ns = 500, expect = "soft" },
    { do = "kernel", routine = "probe", arguments = [1, "object.0.cpu.0", true] },
]

[[inject]]
what = "file-page"
file = "lib"
pindex = 3
dirty = true
"""


async def probe(k, vpn: int, object: str, dirty: bool):
    """A routine that no kernel has."""


probe.__annotations__ = {"vpn": "int", "object": "str", "dirty": "bool"}


@pytest.fixture(autouse=True)
def probing(monkeypatch):
    monkeypatch.setitem(SCRIPTED, "probe", probe)


def script(text=LITMUS):
    return compile_script(tomllib.loads(text), "litmus", "workload.script", "x.toml")


def one(step, *more):
    """A script of one task (and more tasks of no steps) with one step."""
    return {"task": [{"name": "a", "steps": [step]}, *({"name": name, "steps": []} for name in more)]}


def test_a_script_says_what_the_form_says():
    workload = script()
    writer, reader = workload.tasks
    assert [task.space for task in workload.tasks] == [0, 0]
    assert [step.word for step in writer.steps] == ["mmap", "access", "think", "munmap"]
    mapped, fill = writer.steps[0], writer.steps[1]
    assert (mapped.start, mapped.end, mapped.prot, mapped.file, mapped.offset, mapped.shared) == (0x100, 0x102, 7, 0, 1, True)
    assert (fill.vpn, fill.write, fill.expect, fill.announced) == (0x100, True, "zero-fill", True)
    assert writer.steps[2].for_ns == 3000
    assert writer.steps[3].after == ((1, 0),)
    assert (reader.steps[0].after, reader.steps[0].delay_ns) == (((0, 1),), 500)
    assert (reader.steps[1].routine, reader.steps[1].arguments) == ("probe", (1, "object.0.cpu.0", True))
    assert (workload.cpus, workload.account.mmaps) == (2, 1)
    assert workload.injected == [Inject("file-page", {"file": 0, "pindex": 3, "dirty": True})]
    assert not workload.files[0].warm
    assert decode(encode(workload)) == workload


def test_the_digest_is_the_contents():
    assert script().digest == script(LITMUS.replace("x = 3", "x =  3")).digest
    assert script().digest != script(LITMUS.replace("pindex = 3", "pindex = 2")).digest


@pytest.mark.parametrize("expect", EXPECTATIONS)
def test_every_expectation_can_be_said(expect):
    workload = compile_script(one({"do": "access", "vpn": 1, "expect": expect}), "t")
    assert workload.tasks[0].steps[0].expect == expect


@pytest.mark.parametrize(
    "step",
    [
        {"do": "mprotect", "vpn": 1, "pages": 2, "prot": "r"},
        {"do": "mprotect", "vpn": 1, "prot": ""},
        {"do": "madvise", "vpn": 1, "advice": "populate-write"},
        {"do": "brk", "old_end": 5, "new_end": 9},
        {"do": "mremap", "vpn": 1, "pages": 2, "new_va": 0x9000, "new_pages": 3},
        {"do": "fork", "child": "b", "how": "vfork"},
        {"do": "exec", "mappings": [{"vpn": 8, "pages": 2, "prot": "rx"}, {"vpn": 1, "stack": True}]},
        {"do": "exit", "cpu": 3, "at_ns": "1 ms"},
    ],
)
def test_every_word_can_be_said(step):
    tables = one(step, "b")
    if step.get("how") == "vfork":
        tables["task"][1]["steps"] = [{"do": "exit"}]
    made = compile_script(tables, "t").tasks[0].steps[0]
    assert made.word == step["do"]
    if step["do"] == "exec":
        assert made.mappings == ((1, 2, 3, -1, 0, True), (8, 10, 5, -1, 0, False))


def test_children_start_at_their_fork_in_the_space_that_makes():
    tables = {
        "task": [
            {"name": "a", "steps": [{"do": "fork", "child": "b", "how": "thread"}, {"do": "fork", "child": "c"}]},
            {"name": "b", "steps": [{"do": "fork", "child": "d", "how": "thread"}]},
            {"name": "c", "steps": []},
            {"name": "d", "steps": []},
        ]
    }
    workload = compile_script(tables, "t")
    assert [task.parent for task in workload.tasks] == [-1, 0, 0, 1]
    assert [task.space for task in workload.tasks] == [0, 0, 1, 0]
    assert workload.account.forks == {"thread": 2, "fork": 1}


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (('do = "think"', 'do = "dream"'), "workload.script.task[0].steps[2].do"),
        (("for_ns = ", "for_us = "), "workload.script.task[0].steps[2].for_ns"),
        (('"3 us"', '"3 parsecs"'), "workload.script.task[0].steps[2].for_ns"),
        (("write = true", "write = 1"), "workload.script.task[0].steps[1].write"),
        (("write = true", "wirte = true"), "workload.script.task[0].steps[1].wirte"),
        (('"zero-fill"', '"zerofill"'), "workload.script.task[0].steps[1].expect"),
        (('["writer.fill"]', '["writer.full"]'), "workload.script.task[1].steps[0].when"),
        (('["writer.fill"]', '["reader.1"]'), "workload.script.task[1].steps[0].when"),
        (('["writer.fill"]', "7"), "workload.script.task[1].steps[0].when"),
        (("cpu = 1", 'cpu = "one"'), "workload.script.task[1].cpu"),
        (("cpu = 1", "cpus = 1"), "workload.script.task[1].cpus"),
        (('name = "reader"', 'name = "writer"'), "workload.script.task[1].name"),
        (('name = "reader"', 'name = "a.b"'), "workload.script.task[1].name"),
        (("pages = 4", "pages = 0"), "workload.script.file[0].pages"),
        (('file = "lib"', 'file = "bil"'), "workload.script.task[0].steps[0].file"),
        (('prot = "rwx"', 'prot = "rwz"'), "workload.script.task[0].steps[0].prot"),
        (("vpn = 0x100, pages = 2, prot", "vpn = -1, pages = 2, prot"), "workload.script.task[0].steps[0].vpn"),
        (('arguments = [1, "object.0.cpu.0", true]', "arguments = [1.5]"), "workload.script.task[1].steps[1].arguments"),
        (("pindex = 3", "pindex = true"), "workload.script.inject[0].pindex"),
        (("pindex = 3", "page = 3"), "workload.script.inject[0].pindex"),
        (("dirty = true", "colour = 1"), "workload.script.inject[0].colour"),
        (("file-page", "file-pages"), "workload.script.inject[0].what"),
        (("probe", "prober"), "workload.script.task[1].steps[1].routine"),
        (('cpu.0", true]', 'cpu.0"]'), "workload.script.task[1].steps[1].arguments"),
        ((", true]", ", 1]"), "workload.script.task[1].steps[1].arguments"),
        (("[[inject]]", "[[injekt]]"), "workload.script.injekt"),
        (('name = "fill"', 'name = "0"'), "workload.script.task[0].steps[1].name"),
    ],
)
def test_errors_name_the_key_what_was_found_and_what_is_allowed(change, key):
    assert change[0] in LITMUS
    with pytest.raises(InputError, match=r"found .*, allowed: ") as caught:
        script(LITMUS.replace(*change, 1))
    assert (caught.value.key, caught.value.file) == (key, "x.toml")
    assert str(caught.value).startswith(f"x.toml: {key}: ")


@pytest.mark.parametrize(
    "tables",
    [
        {"task": []},
        {},
        [],
        {"task": {"name": "a"}},
        {"task": ["a"]},
        {"task": [{"name": "a", "space": 1.5}]},
        one({"do": "fork", "child": "a"}),
        one({"do": "fork", "child": "z"}),
        one({"do": "exec", "mappings": [{"vpn": 1, "pages": 2}, {"vpn": 2}]}),
        one({"do": "fork", "child": "b", "how": "vfork"}, "b"),
        {"task": [{"name": name, "steps": [{"do": "fork", "child": other}]} for name, other in ("ab", "ba")]},
        {"task": [{"name": name, "steps": [{"do": "exit", "when": f"{other}.0"}]} for name, other in ("ab", "ba")]},
    ],
)
def test_scripts_that_cannot_be_meant_are_refused(tables):
    with pytest.raises(InputError, match=r"found .*, allowed: "):
        compile_script(tables, "t")


def test_a_script_can_be_a_file_of_its_own(tmp_path):
    path = tmp_path / "busy.toml"
    path.write_text(LITMUS)
    assert load_script(path) == compile_script(tomllib.loads(LITMUS), "busy")
    for text, said in (
        ("[[task]", r"busy\.toml:1: TOML: .*found \[\[task\], allowed: valid TOML"),
        ("\n[[task]]\ncpu = " + "9" * 5000, r"busy\.toml:3: TOML: found 9{79}…, allowed: integers of at most 4300 digits$"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=said):
            load_script(path)
    with pytest.raises(InputError, match=r"none\.toml: script: found no such file, allowed: a script file"):
        load_script(tmp_path / "none.toml")


@pytest.mark.parametrize("value", ["9" * 5000 + " ns", "9" * 20 + " ns", "9" * 19 + " s", 1 << 62, int("9" * 4000, 16)], ids=range(5))
def test_a_time_beyond_all_runs_is_refused(value):
    """Whether it is a text or an integer, and whether or not Python would spell it out."""
    steps = [{"do": "access", "vpn": 1, "delay_ns": value}]
    with pytest.raises(InputError, match=r"delay_ns: found .{1,220}, allowed: a number of ns") as caught:
        compile_script({"task": [{"name": "a", "steps": steps}]}, "t")
    assert json.dumps(caught.value.as_json())
