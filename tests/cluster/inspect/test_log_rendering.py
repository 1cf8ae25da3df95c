import io
import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from cluster.errors import InputError
from cluster.inspect.causes import parse_event, render_causes
from cluster.inspect.log import render_log
from cluster.inspect.select import Selection
from cluster.plan import Model, Plan
from cluster.recording.encode import encoded
from cluster.recording.manifest import Manifest
from cluster.recording.recorder import Recorder
from cluster.recording.run_dir import RunDirectory, open_run
from cluster.recording.trace import TraceWriter
from protocol import records as kinds
from protocol.messages.locks import EXCLUSIVE
from tests.cluster.recording.synthetic import Script, machine_entries, slices

ROOT = Path(__file__).resolve().parents[3]
PLAN = Plan(Model("machine"), 7, "redis")
ENTRIES = machine_entries(40, think_ns=150_000)


def stored(root, entries):
    directory = RunDirectory.create("redis", 7, root=root)
    directory.write_manifest(Manifest("redis", 7, 1, PLAN, ended="finished"))
    recorder = Recorder(PLAN, 0, directory.path)
    for index, batch in slices(entries):
        recorder.close_slice(index, batch)
        recorder.commit()
    recorder.finish()
    return open_run(directory.finish())


def stored_without_metrics(root, entries):
    """Metrics count only what is declared; a trace may come from anywhere."""
    directory = RunDirectory.create("redis", 7, root=root)
    directory.write_manifest(Manifest("redis", 7, 1, PLAN, ended="finished"))
    writer = TraceWriter(directory.path / "trace" / "worker-0.trace")
    writer.write(0, *encoded(entries))
    writer.finish()
    return open_run(directory.finish())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return stored(tmp_path_factory.mktemp("log"), ENTRIES)


def shown(run, json=False, limit=0, **asked):
    out = io.StringIO()
    assert render_log(run, out, Selection(**asked), json, limit) == len(out.getvalue().splitlines())
    return out.getvalue().splitlines()


ONE_FAULT = """\
> vm_fault(0x7f3a0, 2)
  +user map map.1.cpu.0 (shared, grant 1)
    +vm object object.6.cpu.0 (grant 1)
      object.refs 1 -> 2
      object.pip 0 -> 1
      +vm page queue free mutex fq (grant 1)
        free.take frame=0xbf8 colour=24 klass=NORMAL zeroed=no free=4095
      -vm page queue free mutex fq (held 42 ns)
      object.insert pindex=416 frame=0xbf8
      page.bind frame=0xbf8 object=object.6.cpu.0 pindex=416 wire=0 flags=BUSY asked=0
      object.valid pindex=416 frame=0xbf8 0x0 -> 0xff
      +vm page queue mutex pq (grant 1)
      -vm page queue mutex pq (held 1 ns)
    -vm object object.6.cpu.0 (held 575 ns)
    page.dirty frame=0xbf8 0x0 -> 0xff
    +vm page queue mutex pq (grant 2)
      +pmap pmap.1.cpu.0 (grant 1)
        pte.set vpn=0x7f3a0 frame=0xbf8 bits=V|RW|U|A|M|MANAGED old_frame=none old_bits=0
        page.pv-add frame=0xbf8 pmap=pmap.1.cpu.0 vpn=0x7f3a0
      -pmap pmap.1.cpu.0 (held 119 ns)
    -vm page queue mutex pq (held 174 ns)
    +vm object object.6.cpu.0 (grant 2)
      +vm page queue mutex pq (grant 3)
      -vm page queue mutex pq (held 1 ns)
    -vm object object.6.cpu.0 (held 56 ns)
  -user map map.1.cpu.0 (held 1011 ns)
  page.queue frame=0xbf8 NONE -> ACTIVE
  page.unbusy frame=0xbf8
  object.pip 1 -> 0
  object.refs 2 -> 1
< vm_fault = ok
fault.done vpn=0x7f3a0 how=zero-fill hard=no cow=no
tlb.fill pmap=pmap.1.cpu.0 vpn=0x7f3a0 frame=0xbf8 bits=V|RW|U|A|M|MANAGED
store pmap=pmap.1.cpu.0 vpn=0x7f3a0 frame=0xbf8"""


def test_one_fault_reads_as_the_kernel_is_written_down(tmp_path):
    script = Script(cpus=1)
    script.fault(0, 0x7F3A0)
    lines = shown(stored(tmp_path, script.sorted()))
    assert "task.step" in lines[0]
    assert [line[39:].rsplit("  [", 1)[0] for line in lines[1:]] == ONE_FAULT.splitlines()


def test_the_columns_are_time_actor_thread_record_and_event(run):
    line = next(line for line in shown(run) if "free.take" in line)
    assert line[:11] == f"0.{int(line[2:11]):09d}"
    assert line[13:15] == "fq"
    assert line[30:37].strip() == "(t10)"
    assert line.endswith("]")
    sender, seq = parse_event(line.rsplit("[", 1)[1][:-1])
    assert any((head[4], head[5], head[3]) == (sender, seq, "fq") for head, _, _ in ENTRIES)


def test_every_record_is_shown_once_in_key_order(run):
    lines = shown(run, json=True)
    got = [(event["time_ns"], event["actor"], event["kind"], event["position"]) for event in map(json.loads, lines)]
    assert got == [
        (head[0], head[3], kinds.KINDS[record[0]].name, position) for head, _, records in ENTRIES for position, record in enumerate(records)
    ]


def test_json_lines_carry_identity_cause_and_fields_in_words(run):
    event = json.loads(shown(run, json=True, kind="pte.set", limit=1)[0])
    head, word, records = next(entry for entry in ENTRIES if entry[2] and entry[2][0][0] == kinds.PTE_SET)
    assert event == {
        "time_ns": head[0],
        "actor": head[3],
        "kind": "pte.set",
        "thread": 10,
        "id": f"{head[4]}:{head[5]}",
        "cause": f"{head[6]}:{head[7]}",
        "message": word,
        "position": 0,
        "fields": {
            "vpn": hex(records[0][1]),
            "frame": hex(records[0][2]),
            "bits": "V|RW|U|A|M|MANAGED",
            "old_frame": "none",
            "old_bits": "0",
        },
    }


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({"kind": "ipi.*"}, lambda head, record: kinds.KINDS[record[0]].name.startswith("ipi.")),
        ({"actor": "pmap.*.cpu.1"}, lambda head, record: head[3] == "pmap.1.cpu.1"),
        ({"from_ns": 1_000_000, "until_ns": 1_200_000}, lambda head, record: 1_000_000 <= head[0] < 1_200_000),
        ({"lock": "vm_page_queue_free"}, lambda head, record: kinds.KINDS[record[0]].name.startswith("lock.") and record[2] == "fq"),
    ],
)
def test_filters(run, asked, wanted):
    expected = sum(1 for head, _, records in ENTRIES for record in records if wanted(head, record))
    assert len(shown(run, **asked)) == expected


def test_a_page_is_followed_through_all_actors(run):
    frame = next(record[4] for _, _, records in ENTRIES for record in records if record[0] == kinds.STORE)
    found = {event["actor"].split(".")[0] for event in map(json.loads, shown(run, json=True, frame=frame))}
    assert {"cpu", "fq", "object", "pmap", "pq"} <= found


def test_a_threads_records_include_what_homes_did_for_it(run):
    mine = [json.loads(line) for line in shown(run, json=True, thread=10)]
    assert {"pq", "fq", "pmap.1.cpu.0"} <= {event["actor"] for event in mine}
    assert not any(event["actor"] == "pmap.1.cpu.1" for event in mine)


def test_indentation_is_the_same_whether_or_not_other_actors_are_shown(run):
    everything = [line for line in shown(run) if line[13:29].strip() == "fq"]
    assert shown(run, actor="fq") == everything


def test_a_limit_stops_before_the_rest_is_read(run, monkeypatch):
    read = []
    real = type(run.trace).slice_entries
    monkeypatch.setattr(
        type(run.trace), "slice_entries", lambda trace, index, wanted=None: read.append(index) or real(trace, index, wanted)
    )
    assert len(shown(run, limit=3)) == 3
    assert read == [run.trace.slices[0]]


def test_hostile_text_in_a_record_cannot_reach_the_terminal(tmp_path):
    evil = "redis\x1b[2J\n\u202e"
    records = [
        (kinds.NOTE, evil),
        (kinds.PANIC, 3, evil),
        (kinds.ENTER, 3, evil, (evil,), (evil,)),
        (kinds.LOCK_ACQUIRE, 3, "pq", EXCLUSIVE, 1, 0, 1),
    ]
    run = stored(tmp_path, [((5, 1, 0, "cpu.0", evil, 1, evil, 0), evil, records)])
    for form in (False, True):
        lines = shown(run, json=form)
        assert len(lines) == 4
        assert all(line.isprintable() for line in lines)
    out = io.StringIO()
    render_causes(run, out, f"{evil}:1")
    assert all(line.isprintable() for line in out.getvalue().splitlines())


def test_a_run_without_trace_has_no_log(tmp_path):
    directory = RunDirectory.create("redis", 7, root=tmp_path)
    directory.write_manifest(Manifest("redis", 7, 1, msgspec.structs.replace(PLAN, trace=False), ended="finished"))
    with pytest.raises(InputError, match="kept no trace"):
        render_log(open_run(directory.finish()), io.StringIO())


def test_a_closed_pipe_ends_the_log_quietly(run):
    program = (
        "import sys; from pathlib import Path; from cluster.inspect.log import render_log; from cluster.recording.run_dir import open_run\n"
        "run = open_run(Path(sys.argv[1]))\n"
        "for _ in range(40): render_log(run, sys.stdout)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(run.path)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.readline().startswith(b"0.000")
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait(60) == 0


def causes(run, event, json=False):
    out = io.StringIO()
    render_causes(run, out, event, json)
    return out.getvalue().splitlines()


def test_causes_lead_from_an_event_back_to_the_start(run):
    by_identity = {(entry[0][4], entry[0][5]): entry for entry in ENTRIES}
    at = next(entry for entry in reversed(ENTRIES) if entry[2] and entry[2][0][0] == kinds.IPI_DELIVER)
    expected = []
    while at is not None:
        expected.append(f"{at[0][4]}:{at[0][5]}")
        last, at = at, by_identity.get((at[0][6], at[0][7]))
    steps = [json.loads(line) for line in causes(run, expected[0], json=True)]
    assert [step["id"] for step in steps] == expected
    assert len(expected) > 300
    assert last[0][6] == "boot"
    assert [step["cause"] for step in steps[:-1]] == expected[1:]
    assert any(record["kind"] == "ipi.send" for record in steps[1]["records"])


def test_causes_for_people_name_messages_and_records(run):
    first = next(entry for entry in ENTRIES if entry[1] == "free.take")
    lines = causes(run, f"{first[0][4]}:{first[0][5]}")
    assert "free.take from cpu.0" in lines[0]
    assert lines[1].strip().startswith("free.take frame=")
    assert any(line.strip() == "+vm page queue free mutex fq (grant 1)" for line in lines)
    assert lines[-1] == "the run's start  [boot:0]"


def test_a_chain_that_leaves_the_trace_says_so(tmp_path):
    script = Script(cpus=1)
    script.fault(0, 0x7F3A0)
    kept = script.sorted()[5:]
    lines = causes(stored(tmp_path, kept), f"{kept[3][0][4]}:{kept[3][0][5]}")
    assert lines[-1].startswith("the trace does not hold the cause [")


@pytest.mark.parametrize("text", ["", "cpu.0", "cpu.0:", ":5", "cpu.0:--1", "cpu.0:-", "cpu.0:x", "cpu.0:٣"])
def test_what_is_no_event_is_refused(run, text):
    with pytest.raises(InputError, match="an event is sender:seq"):
        causes(run, text)


def test_a_second_copy_of_a_message_is_an_event():
    assert parse_event("cpu.0:-261") == ("cpu.0", -261)
    with pytest.raises(InputError, match="is no event"):
        parse_event("cpu.0:" + "9" * 5000)


def test_an_event_that_is_not_in_the_trace_is_named(run):
    with pytest.raises(InputError, match="no event pq:999999999 in the trace"):
        causes(run, "pq:999999999")


def test_records_of_a_model_this_program_does_not_know_are_shown_and_not_dropped(tmp_path):
    records = [(999, 1, "x"), (kinds.LOCK_ACQUIRE, 3), (kinds.OBJECT_REFS, 1, 2)]
    run = stored_without_metrics(tmp_path, [((5, 1, 0, "object.1", "cpu.0", 1, "boot", 0), "future", records)])
    assert [line[39:].rsplit("  [", 1)[0] for line in shown(run)] == [
        "unknown number=999 values=(1, x)",
        f"unknown number={kinds.LOCK_ACQUIRE} values=(3)",
        "object.refs 1 -> 2",
    ]
    assert [json.loads(line)["kind"] for line in shown(run, json=True)] == ["unknown", "unknown", "object.refs"]
    assert len(causes(run, "cpu.0:1")) == 5
    assert [(record.kind, record.fields) for record in run.records()] == [
        ("unknown", {"values": (1, "x")}),
        ("unknown", {"values": (3,)}),
        ("object.refs", {"old": 1, "new": 2}),
    ]
    assert shown(run, lock="pq") == shown(run, thread=3) == shown(run, frame=1) == []
