from __future__ import annotations

import json
from pathlib import Path

import pytest

from cluster.cli.summary_text import summary_lines, wait_line

KEYS = [
    "scenario",
    "seed",
    "workers",
    "transport",
    "backend",
    "kernel",
    "ended",
    "events",
    "records",
    "virtual_ns",
    "wall_s",
    "start_s",
    "digest",
    "run_dir",
    "violations",
    "violations_total",
    "checks",
    "workload",
    "host",
    "faults_fired",
    "metrics",
]


def test_run_says_what_the_contract_promises(shootdown, small, tmp_path):
    ended = shootdown("run", small, "--seed", "7", "--json")
    summary = ended.json
    assert set(KEYS) <= set(summary)
    assert (summary["scenario"], summary["seed"], summary["ended"], summary["transport"]) == ("small", 7, "finished", "inproc")
    assert summary["run_dir"] == "runs/small-7-1"
    assert (tmp_path / "runs" / "small-7-1" / "summary.json").is_file()
    assert json.loads((tmp_path / "runs" / "small-7-1" / "summary.json").read_text()) == summary
    assert ended.status == summary["status"]
    m = summary["metrics"]
    assert m["faults.zero_fill"] == 16
    assert m["faults.recorded"] == m["faults.modelled"] + m["accesses.hit"]
    assert m["accesses.hit"] == sum(summary["workload"]["absorbed"].values())
    assert summary["workload"]["lines"] == summary["workload"]["replayed"] + sum(summary["workload"]["ignored"].values())


def test_the_next_run_gets_the_next_number_and_the_same_digest(shootdown, small):
    first, second = (shootdown("run", small, "--json").json for _ in range(2))
    assert second["run_dir"].endswith("-2")
    assert first["digest"] == second["digest"]
    assert shootdown("run", small, "--seed", "2", "--json").json["digest"] != first["digest"]


def test_without_a_trace(shootdown, small):
    kept = shootdown("run", small, "--json").json
    summary = shootdown("run", small, "--json", "--no-trace").json
    assert summary["digest"] == kept["digest"]
    assert summary["metrics"] == kept["metrics"]
    ended = shootdown("log", summary["run_dir"])
    assert ended.status == 2
    assert "--no-trace" in ended.err


def test_log_of_a_run(shootdown, small):
    run = shootdown("run", small, "--json").json["run_dir"]
    rows = shootdown("log", run, "--kind", "fault.*", "--json").json
    assert len(rows) == 16
    lines = shootdown("log", run, "--kind", "fault.*", "--jsonl").out.splitlines()
    assert [json.loads(line) for line in lines] == rows
    assert len(shootdown("log", run, "--limit", "5").out.splitlines()) == 5
    assert shootdown("log", run, "--kind", "fault.*", "--until", "1 ns", "--json").json == []
    assert shootdown("log", run, "--kind", "telegram.*").status == 2
    page = shootdown("log", run, "--kind", "store", "--limit", "1", "--json").json[0]["fields"]["frame"]
    assert shootdown("log", run, "--page", page).out == shootdown("log", run, "--page", str(int(page, 16))).out
    assert shootdown("log", run, "--thread", "t1").out == shootdown("log", run, "--thread", "1").out
    assert "k0.0" in shootdown("log", run, "--thread", "k0.0").out
    for option in ("--page", "--thread"):
        refused = shootdown("log", run, option, "x9")
        assert refused.status == 2
        assert "found x9, allowed:" in refused.err
    assert shootdown("log", run, "--from", "3 parsecs").status == 2
    event = shootdown("log", run, "--limit", "1", "--kind", "store", "--json").json[0]
    steps = shootdown("log", run, "--cause", event["id"] if isinstance(event["id"], str) else ":".join(map(str, event["id"])))
    assert steps.status == 0
    assert "boot" in steps.out
    assert shootdown("log", run, "--cause", "nobody:1").status == 2


def test_check_run_finds_what_the_run_found(shootdown, small):
    summary = shootdown("run", small, "--json").json
    ended = shootdown("check-run", summary["run_dir"], "--json")
    assert ended.json["checks"] == summary["checks"]
    assert ended.json["violations_total"] == summary["violations_total"]
    assert ended.status == (1 if summary["violations_total"] else 0)
    assert shootdown("check-run", summary["run_dir"], "--check", "I-NO").status == 2
    trace = Path(summary["run_dir"]) / "trace" / "worker-0.trace"
    trace.write_bytes(trace.read_bytes()[:-100])
    cut = shootdown("check-run", summary["run_dir"])
    assert cut.status == 3
    assert "cut or damaged at byte" in cut.err
    assert "of the run could be judged" in cut.err
    assert list(shootdown("check-run", summary["run_dir"], "--check", "I-TLB", "--json").json["checks"]) == ["I-TLB"]


@pytest.mark.parametrize(
    ("expect", "limits", "status"),
    [
        ("", "", 0),
        ('[expect]\nended = "stuck"\n', "", 1),
        ("", "[limits]\nvirtual_ns = 1000\n", 3),
        ('[expect]\nended = "limit"\n', "[limits]\nvirtual_ns = 1000\n", 0),
    ],
)
def test_statuses(shootdown, small, expect, limits, status):
    small.write_text(small.read_text() + "[checks]\nenable = []\n" + expect + limits)
    ended = shootdown("run", small, "--json")
    assert ended.json["status"] == ended.status == status
    assert bool(ended.json["surprises"]) == bool(status)
    assert bool(ended.err) == bool(status)


def test_a_lost_interrupt_leaves_the_run_stuck_and_says_who_waits(shootdown):
    ended = shootdown("run", "lost-ipi")
    assert "stuck: " in ended.out
    assert "waits for acknowledgements of cpu.1" in ended.out
    assert "fired 1 time" in ended.out
    summary = shootdown("run", "lost-ipi", "--json", "--set", "faults[0].when.nth=999").json
    assert (summary["ended"], summary["faults_fired"]) == ("finished", {"lost-ipi": 0})
    assert summary["status"] == 1
    assert summary["faults_silent"] == {"lost-ipi": "its predicate matched 8 times, and at no receiver 999 times (nth)"}
    line = f"lost-ipi        lose ipi to=cpu.1 nth=999  never fired: {summary['faults_silent']['lost-ipi']}"
    assert f"  {line}" in summary_lines(summary)


def test_a_swarm_lists_its_faults_and_liveness_what_it_asks(shootdown):
    drawn = shootdown("run", "swarm-links", "--seed", "5", "--json", "--no-trace").json
    text = "\n".join(summary_lines(drawn))
    assert drawn["faults_left_out"]
    assert all(f"{fault['name']} " in text for fault in drawn["faults"])
    assert all(
        "not in this run: the seed left it out" in line for line in text.splitlines() if line.split()[:1] == drawn["faults_left_out"][:1]
    )
    early = shootdown(
        "run", "link-lose-retransmit", "--no-trace", "--set", "liveness.heal_ns=1 s", "--set", "liveness.bound_ns=5", "--json"
    ).json
    assert (early["ended"], early["liveness"]["judged"]) == ("finished", False)
    assert "  faults end at 1 s; who waits then must move within 5 ns (the run ended before that could be judged)" in summary_lines(early)


def test_the_summary_for_people(shootdown, small):
    ended = shootdown("run", small)
    for words in ("finished: all 2 tasks are done", "page faults", "vm_page_queue", "not exercised: ", "checks were evaluated", "digest "):
        assert words in ended.out
    assert "\x1b" not in ended.out


def test_hostile_names_are_escaped(shootdown, small):
    summary = shootdown("run", small, "--json").json
    summary["scenario"] = "\x1b[31mred"
    summary["workload"]["ignored"] = {"a\nb": 3}
    text = "\n".join(summary_lines(summary))
    assert "\x1b" not in text
    assert "\\x1b[31mred" in text
    assert "3 a\\nb" in text


def test_waits_in_words():
    assert wait_line([3, 1, "pq", 1200, ["map.0", "object.1"], "vm_fault"]) == (
        "thread 3 (task 1) waits for pq since 1,200 ns, holding map.0, object.1, in vm_fault"
    )
    assert wait_line([3, -1, "", 5, [], None]) == "thread 3 waits for its turn since 5 ns"


def test_the_lock_that_serialises_is_named(shootdown, small):
    summary = shootdown("run", small, "--json").json
    summary["metrics"]["lock.vm_page_queue.wait_ns"] = summary["virtual_ns"]
    assert "vm_page_queue serialises the machine: the time spent waiting for it is 50 % of all CPU time" in "\n".join(
        summary_lines(summary)
    )
    summary["metrics"]["lock.vm_page_queue.wait_ns"] = summary["virtual_ns"] // 100
    assert "serialises" not in "\n".join(summary_lines(summary))
