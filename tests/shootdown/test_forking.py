"""Time travel: any instant's state, and a run that goes on from there with something changed, or with nothing."""

import msgspec
import pytest

import shootdown as sd
from protocol.changes import CHANGES
from protocol.kernels import KernelError, choose, kernel
from shootdown.changing import STRUCTURAL, changed

SETS = ("workload.lines_max=200",)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cluster.engine.snapshotting.Snapshotter.wants", lambda _, window: window in (3, 5))
        return sd.run(sd.load("redis-bgsave", SETS), seed=1, out=tmp_path_factory.mktemp("fork") / "run")


@pytest.mark.parametrize(("share", "workers"), [(0, 1), (30, 2), (55, 1), (97, 3)])
def test_with_nothing_changed_the_digest_is_the_runs(run, share, workers, tmp_path):
    made = sd.fork(run.path, run.summary["virtual_ns"] * share // 100, workers=workers, out=tmp_path / "fork")
    assert made.digest == run.digest
    assert made.losses == []
    assert made.stored.digest_of_trace() == run.digest, "the trace is whole, from the beginning"
    assert made.metrics == run.metrics
    assert made.stored.manifest.origin.digest == run.digest


def test_an_instant_does_not_depend_on_the_cut_it_is_reached_from(run, monkeypatch):
    at_ns = run.summary["virtual_ns"] * 3 // 4
    near = sd.states(run.path, at_ns)
    monkeypatch.setattr("cluster.engine.reviving._cuts", lambda *_: [])
    assert sd.states(run.path, at_ns) == near
    assert len(near) > 30


def test_the_state_is_that_of_before_the_instant(run):
    """A frame that is taken by one event is free up to that very time."""
    taken = next(record for record in run.records("free.take") if record.time_ns > 100_000)
    before, after = (sd.states(run.path, taken.time_ns + more, "fq")["fq"] for more in (0, 1))
    assert before["free"] == after["free"] + 1 if "free" in before else before != after


def test_actors_are_chosen_by_pattern_and_none_is_refused(run):
    assert set(sd.states(run.path, 0, "cpu.*")) == {"cpu.0", "cpu.1"}
    with pytest.raises(sd.InputError, match="no actor is called 'nobody'"):
        sd.states(run.path, 5, "nobody")
    with pytest.raises(sd.InputError, match="--at: found -1"):
        sd.states(run.path, -1)


def test_what_is_changed_is_changed_from_there_on_and_not_before(run, tmp_path):
    at_ns = run.summary["virtual_ns"] // 2
    made = sd.fork(run.path, at_ns, revert=["R02"], out=tmp_path / "fork")
    assert made.digest != run.digest

    def until(which):
        return [(record.time_ns, record.actor, record.record) for record in which.records(until_ns=at_ns)]

    assert until(made) == until(run)
    again = sd.run(sd.load("redis-bgsave", SETS, revert=["R02"]), seed=1, out=tmp_path / "reverted")
    assert made.digest != again.digest


@pytest.mark.parametrize("change", [name for name in sorted(CHANGES) if not CHANGES[name].pmaps and name not in STRUCTURAL])
def test_every_change_can_be_put_back_under_way(run, change, tmp_path):
    """Whatever is being done at the instant is ended as it was begun; a restored thread that went another way would be refused."""
    made = sd.fork(run.path, run.summary["virtual_ns"] * 45 // 100, revert=[change], out=tmp_path / "fork")
    assert made.ended in ("finished", "panic", "stuck")
    assert made.stored.manifest.plan.model.kernel[change] == CHANGES[change].forms[0]


SMALL = ("workload.parameters.cpus=4", "workload.parameters.pages=24", "workload.parameters.touches=16", "machine.cpus=4")


@pytest.fixture(scope="module", params=["i386", "alpha"])
def of_pmap(request, tmp_path_factory):
    sets = [*SMALL, f"machine.pmap={request.param}"]
    return sets, sd.run(sd.load("fork-cow", sets), out=tmp_path_factory.mktemp("pmap") / "run")


def test_changes_of_one_pmap_can_be_put_back_under_way_there(of_pmap, tmp_path):
    """What begins half-way does no damage that a whole run in the old form does not."""
    sets, whole = of_pmap
    pmap = whole.stored.manifest.plan.model.machine.pmap
    changes = [name for name, change in CHANGES.items() if pmap in change.pmaps and name not in STRUCTURAL]
    assert changes
    for change in changes:
        old = sd.run(sd.load("fork-cow", sets, revert=[change]), out=tmp_path / f"{change}-whole")
        made = sd.fork(whole.path, whole.summary["virtual_ns"] // 2, revert=[change], out=tmp_path / change)
        assert (made.ended, old.ended) == ("finished", "finished")
        assert {found.check for found in made.violations} <= {found.check for found in old.violations}
        assert made.stored.manifest.plan.model.kernel[change] == CHANGES[change].forms[0]


def test_threads_under_way_keep_the_forms_they_began_with(run, tmp_path):
    from shootdown.forking import refitted
    from shootdown.travelling import travel

    instant = travel(run.path, run.summary["virtual_ns"] // 2)
    refitted(instant, changed(instant.manifest.plan, ["R02"], [], []).model)
    threads = [thread for cpu in ("cpu.0", "cpu.1") for thread in instant.share.engine.actors[cpu].threads.values()]
    started = [thread for thread in threads if thread.started]
    assert started
    assert all(thread.forms == {"R02": CHANGES["R02"].forms[-1]} for thread in started)
    assert all(thread.forms == {} for thread in threads if not thread.started)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"sets": ["machine.cpus=8"]},
            r"^--set: machine\.cpus: that cannot change while a run is under way; found machine\.cpus, allowed: l",
        ),
        ({"sets": ["checks.enable=[]"]}, r"^--set: checks\.enable: that cannot change while a run is under way; found "),
        ({"sets": ["limits.foo=8"]}, r"^--set: limits\.foo: unknown key; found foo, allowed: events, memory_waits, "),
        ({"sets": ["checks.foo=8"]}, r"^--set: checks\.foo: unknown key; found foo, allowed: stop_at_first$"),
        (
            {"sets": ["limts.wait_ns=8"]},
            r"^fork with --set limts\.wait_ns: limts: unknown key; found limts, allowed: limits \(did you mean that\?\), or",
        ),
        ({"sets": ["limits.wait_ns.x=8"]}, r"^--set: limits\.wait_ns\.x: found a value, allowed: a key inside a table$"),
        ({"sets": ["limits.wait_ns=never"]}, r"^--set: limits\.wait_ns: found never, allowed: an integer number of ns, or "),
        ({"sets": ["limits.wait_ns=0"]}, r"^--set: limits\.wait_ns: found 0, allowed: an integer of 1 or more$"),
        ({"sets": ["limits.events=1.5"]}, r"^--set: limits\.events: found 1\.5, allowed: an integer$"),
        ({"sets": ["checks.stop_at_first=5"]}, r"^--set: checks\.stop_at_first: found 5, allowed: true or false$"),
        ({"revert": ["C99"]}, r"^--revert: kernel\.revert\[0\]: no change is called 'C99'; found C99, allowed: C01 "),
        ({"revert": ["C01"], "apply": ["C02,C99"]}, r"^--apply: kernel\.apply\[1\]: no change is called 'C99'; found C99, allowed: C01 "),
        ({"revert": ["C01"], "apply": ["C01"]}, r"^--revert: kernel\.revert\[0\]: C01 .* is asked for as .*; found C01, allowed: one form"),
        ({"revert": ["C24", "C19"]}, r"^--revert: kernel\.revert\[1\]: C19 = held exists only with .*; found C19, allowed: C24 = fq-held$"),
        (
            {"revert": ["C10"]},
            r"^--revert: kernel\.revert\[0\]: C10 .* is a change of pmap i386.*; found C10, allowed: machine\.pmap = i386$",
        ),
        ({"revert": ["C01,"]}, r"^--revert: CHANGE: an empty name; found C01,, allowed: names of changes"),
        ({"at_ns": 1 << 40}, r"^--at: the run ended finished at \d+ ns; found 1099511627776, allowed: less than \d+$"),
        ({"workers": 99}, "99"),
    ],
)
def test_what_cannot_change_is_refused_and_leaves_nothing(run, options, said, tmp_path):
    at_ns = options.pop("at_ns", 1000)
    with pytest.raises(sd.InputError, match=said):
        sd.fork(run.path, at_ns, out=tmp_path / "fork", **options)
    assert list(tmp_path.iterdir()) == []


def test_what_the_machine_consists_of_cannot_change():
    plan = sd.load("redis-bgsave", ["machine.pmap=alpha"]).to_plan(1)
    said = (
        r"^--revert: kernel\.revert\[1\]: C14 cannot change while a run is under way: .*; found pt-page-object, allowed: any other change$"
    )
    with pytest.raises(sd.InputError, match=said):
        changed(plan, ["C01", "pt-page-object"], [], [])
    plan = sd.load("redis-bgsave", ["machine.pmap=alpha"], kernel="freebsd-2004").to_plan(1)
    with pytest.raises(
        sd.InputError, match=r"^--apply: kernel\.apply\[0\]: C14 cannot .*; found C15, allowed: any other change$"
    ) as caught:
        changed(plan, ["C03"], ["C15"], [])
    assert (caught.value.key, caught.value.found) == ("kernel.apply[0]", "C15")


@pytest.mark.parametrize("preset", ["freebsd-2004", "freebsd-2006", "repaired"])
@pytest.mark.parametrize("pmap", ["amd64", "i386", "alpha"])
def test_a_change_brings_with_it_what_it_brings_in_a_run(preset, pmap):
    """Whatever the kernel is that the run began with."""
    plan = sd.load("redis-bgsave", [f"machine.pmap={pmap}"], kernel=preset).to_plan(1)
    for option in ("revert", "apply"):
        for name in CHANGES:
            asked = {"revert": [], "apply": [], option: [name]}
            try:
                chosen = choose(preset, **asked, pmap=pmap)
            except KernelError:
                chosen = None
            if chosen is None or any(chosen.forms[one] != plan.model.kernel[one] for one in STRUCTURAL):
                with pytest.raises(sd.InputError):
                    changed(plan, **asked, sets=[])
                continue
            found = changed(plan, **asked, sets=[])
            assert found.model.kernel == chosen.forms
            assert [note for note in found.notes if " = " in note] == [f"{one} = {why}" for one, why in chosen.brought.items()]


@pytest.mark.parametrize(
    ("option", "name", "forms"),
    [
        ("apply", "C01", {"C01": "plain", "C03": "busy-each-try"}),
        ("revert", "C19", {"C19": "held", "C24": "fq-held"}),
        ("revert", "C04", {"C04": "busy-again", "C03": "busy-each-try"}),
        ("revert", "C07", {"C07": "no", "C11": "locked"}),
    ],
)
def test_what_comes_along_over_the_kernel_of_2004(option, name, forms):
    plan = sd.load("redis-bgsave", kernel="freebsd-2004").to_plan(1)
    found = changed(plan, **{"revert": [], "apply": [], option: [name]}, sets=[])
    assert found.model.kernel == {**kernel("freebsd-2004"), **forms}
    assert found.notes


def test_what_is_said_of_the_forms_is_said_of_the_fork(run, tmp_path):
    made = sd.fork(run.path, 1000, revert=["C03"], out=tmp_path / "fork")
    (note,) = made.summary["kernel_notes"]
    assert note.startswith("from 1000 ns on: C01 = busy-first, for C03: ")
    again = sd.fork(made.path, 2000, sets=["limits.events=500000"], out=tmp_path / "again")
    assert again.summary["kernel_notes"] == [note]


LATE = """
[[faults]]
name = "late"
kind = "delay"
delay_ns = 700
when = { kind = "lock-grant" }
[[faults]]
name = "nap"
kind = "stall"
cpu = 1
at_ns = AT
duration_ns = 50000
"""


def test_faults_begin_at_the_fork(run, tmp_path):
    at_ns = run.summary["virtual_ns"] // 3
    (tmp_path / "late.toml").write_text(LATE.replace("AT", str(at_ns + 1000)))
    made = [sd.fork(run.path, at_ns, faults=tmp_path / "late.toml", workers=workers, out=tmp_path / f"fork{workers}") for workers in (1, 2)]
    fired = [record.time_ns for record in made[0].records("fault.fired")]
    assert made[0].digest == made[1].digest != run.digest
    assert made[0].summary["faults_fired"]["late"] > 0
    assert made[0].summary["faults_fired"]["nap"] == 1
    assert min(fired) >= at_ns


def test_a_fault_in_the_past_or_of_no_sense_is_refused(run, tmp_path):
    file = tmp_path / "late.toml"
    for text, said in (
        (LATE.replace("AT", "5"), r"faults\[1\]\.at_ns: nap is before the fork at 1000 ns; found 5, allowed: 1000 or later$"),
        (LATE.replace("AT", "10000000").replace("cpu = 1", "cpu = 7"), "0 to 1"),
        ("[[faults]]\nkind = 'delay'\n", "late.toml"),
        ("[swarm]\n", "late.toml"),
    ):
        file.write_text(text)
        with pytest.raises(sd.InputError, match=said):
            sd.fork(run.path, 1000, faults=file, out=tmp_path / "fork")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["late.toml"]


def test_limits_can_change(run, tmp_path):
    made = sd.fork(run.path, 1000, sets=["limits.virtual_ns=2 ms"], out=tmp_path / "fork")
    assert (made.ended, made.summary["virtual_ns"]) == ("limit", 2_000_000)


def test_a_fork_that_is_interrupted_is_resumed_from_its_instant(run, tmp_path, monkeypatch):
    def interrupted(*given, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("shootdown.carrying.drive", interrupted)
        with pytest.raises(sd.Interrupted):
            sd.fork(run.path, 2_000_000, out=tmp_path / "fork")
    made = sd.resume(tmp_path / "fork")
    assert made.digest == run.digest
    assert made.resumed_at_ns >= 2_000_000
    assert msgspec.json.decode((made.path / "manifest.json").read_bytes())["origin"]["at_ns"] == 2_000_000
