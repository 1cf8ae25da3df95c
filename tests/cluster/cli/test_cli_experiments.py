"""``experiments`` and ``density``: tables, JSON, exit statuses, and each refusal as one sentence that says what is allowed."""

from __future__ import annotations

import pytest

from cluster.experiments.experiment import experiment_files

EXPERIMENT_KEYS = {
    "id", "slug", "title", "kind", "kinds", "before", "after", "clean", "arms", "expectation", "parameters", "figure", "reproduced",
    "why_not",
}  # fmt: skip
ARM_KEYS = {"ended", "violations", "violations_total", "metrics", "digests", "figure", "held", "kernel_forms"}


@pytest.fixture
def wrong_formula(tmp_path):
    path = tmp_path / "C25-wrong.toml"
    path.write_text(experiment_files()["C25"].read_text().replace('predict = "index"', 'predict = "index + 1"'))
    return path


def test_a_table_with_a_row_for_each(shootdown):
    ended = shootdown("experiments", "C25", "copy-sets-valid", "--workers", "1")
    assert ended.status == 0
    head, *rows = ended.out.splitlines()
    assert head.split()[:7] == ["id", "change", "kind", "before", "after", "unit", "ok"]
    assert [row.split()[0] for row in rows] == ["C25", "C30"]
    assert rows[0].split()[3:] == ["3", "0", "pages", "yes", "I-CONSERVE"] and ended.err.endswith("2 of 2 reproduced, on 1 worker\n")


def test_what_is_not_reproduced_says_why_and_ends_with_1(shootdown, wrong_formula):
    ended = shootdown("experiments", wrong_formula, "--workers", "1")
    assert ended.status == 1
    assert ended.out.splitlines()[1].split()[6:] == ["NO", "I-CONSERVE"]
    assert ended.out.splitlines()[2].strip() == "before: frames lost at the restart is 3 pages, predicted was 4 (index + 1)"
    assert "0 of 1 reproduced" in ended.err


def test_json_is_a_list_of_experiments(shootdown, wrong_formula):
    ended = shootdown("experiments", wrong_formula, "C25", "--set", "run=9", "--set", "index=8", "--json")
    assert ended.status == 1
    wrong, right = ended.json
    assert set(wrong) == set(right) == EXPERIMENT_KEYS and set(right["before"]) == ARM_KEYS
    assert (wrong["reproduced"], right["reproduced"], right["figure"]["before"]) == (False, True, 8)
    assert list(right["before"]["digests"]) == ["1", "2"] and len(set(right["before"]["digests"].values())) == 1


def test_explained_it_tells_every_arm(shootdown):
    ended = shootdown("experiments", "C25", "--explain", "--workers", "1")
    assert ended.status == 0
    assert ended.out.startswith("C25 contig-restart (bug): ") and ended.out.rstrip().endswith("reproduced")
    assert [line.split()[1] for line in ended.out.splitlines() if line.startswith("--- ")] == ["before:", "after:", "clean:"]
    assert "*** I-CONSERVE: " in ended.out and "frames lost at the restart (pages): 3; predicted 3 = index" in ended.out


def test_runs_are_kept_where_it_is_said(shootdown, tmp_path):
    assert shootdown("experiments", "C25", "--workers", "1", "--out", tmp_path / "kept").status == 0
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["C25-after", "C25-before", "C25-clean"]
    assert shootdown("log", tmp_path / "kept" / "C25-before", "--kind", "held").status == 0


def test_each_is_run_once_on_each_number_of_workers(shootdown, tmp_path):
    """By whatever name it is called, and also where the runs are kept."""
    ended = shootdown(
        "experiments", "C25", "contig-restart", "c25", experiment_files()["C25"], "--workers", "1,2,1", "--out", tmp_path / "kept"
    )
    assert ended.status == 0 and len(ended.out.splitlines()) == 2
    assert ended.err.endswith("1 of 1 reproduced, on 1 and 2 workers\n")
    assert len(list((tmp_path / "kept").iterdir())) == 6


@pytest.mark.parametrize("option", ["--out", "--pages"])
def test_two_files_of_a_change_do_not_share_a_name(shootdown, tmp_path, wrong_formula, option):
    ended = shootdown("experiments", wrong_formula, "C25", option, tmp_path / "kept")
    assert (
        ended.status == 2
        and "found 2 files of C25, allowed: with --out or --pages one of them: " in ended.err
        and str(wrong_formula) in ended.err
    )
    assert not (tmp_path / "kept").exists()


REFUSED = {
    "unknown id": (["experiments", "C99"], "ID", "C99", "C01 (remove-without-busy)"),
    "no file": (["experiments", "nowhere.toml"], "experiment", "no such file", "an experiment file"),
    "a device": (["experiments", "endless.toml"], "experiment", "a device", "an experiment file"),
    "density of no file": (["density", "nowhere.toml"], "experiment", "no such file", "an experiment file"),
    "far beyond": (["experiments", "C10", "--set", f"pt_pages=1{'0' * 30}"], "--set pt_pages", "1000", "1 to 64: "),
    "far below": (["experiments", "C10", "--set", f"pt_pages=-1{'0' * 3000}"], "--set pt_pages", "-1000", "1 to 64: "),
    "more digits than anybody types": (["experiments", "C10", "--set", f"pt_pages={'1' * 9000}"], "--set", "pt_pages=1", "4000 digits"),
    "workers with too many digits": (["experiments", "C25", "--workers", "1" * 9000], "--workers", "111", "numbers of workers"),
    "beyond its greatest value": (["experiments", "C25", "--set", "run=129"], "--set run", "129", "2 to 128: frames of the run, in pages"),
    "below its least value": (["experiments", "C10", "--set", "cpus=1"], "--set cpus", "1", "2 to 32: CPUs of the machine"),
    "not of this experiment": (["experiments", "C05", "C25", "--set", "tests=3"], "--set tests", "tests", "index, run"),
    "no parameter": (["experiments", "C25", "--set", "run"], "--set", "run", "NAME=INTEGER"),
    "no integer": (["experiments", "C25", "--set", "run=--3"], "--set", "run=--3", "NAME=INTEGER"),
    "unreachable": (["experiments", "C25", "--set", "index=9"], "parameters", "index = 9, run = 4", "index < run (the cached page"),
    "unreachable too": (["experiments", "C08", "--set", "spare=5"], "parameters", "spare = 5, writers = 4", "spare < writers"),
    "no workers": (["experiments", "C25", "--workers", "0"], "--workers", "0", "numbers of workers, such as 1,2"),
    "workers no numbers": (["experiments", "C25", "--workers", "1,,2"], "--workers", "1,,2", "numbers of workers"),
    "density of an unknown id": (["density", "C99"], "ID", "C99", "C01 (remove-without-busy)"),
    "density of a cost": (["density", "C01"], "ID", "C01", "C03, C04, C05"),
    "reverted on another pmap": (["run", "demo", "--revert", "C09"], "kernel.revert[0]", "C09", "machine.pmap = i386"),
    "reverted and applied": (["run", "demo", "--revert", "C30", "--apply", "C30"], "kernel", "C30", "one form of a change"),
    "never stood together": (["run", "demo", "--revert", "C19,C24"], "kernel", "C19", "C24 = fq-held"),
    "needs what is applied": (["run", "demo", "--revert", "C03", "--apply", "C01"], "kernel", "C03", "C01 = busy-first"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_meant_is_refused_before_anything_runs(case, shootdown, tmp_path):
    arguments, key, found, allowed = REFUSED[case]
    (tmp_path / "endless.toml").symlink_to("/dev/zero")
    ended = shootdown(*arguments, "--json")
    assert ended.status == 2
    (line,) = ended.err.strip().splitlines()
    place = "density: " if arguments[:2] == ["density", "C99"] else ""
    assert line.startswith(f"shootdown: {place}") and found in line and allowed in line.partition("allowed: ")[2]
    error = ended.json["error"]
    assert error["kind"] == "input" and key in error["key"] and error["allowed"]
    assert [path.name for path in tmp_path.iterdir()] == ["endless.toml"]


def test_more_workers_than_actors(shootdown, tmp_path):
    ended = shootdown("experiments", "C19", "C25", "--workers", "1,1000", "--out", "kept", "--json")
    assert ended.status == 2 and "1000 workers were asked for" in ended.err and ended.json["error"]["kind"] == "input"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("taken", ["C25-before", "C25-clean-2-workers", "C25-clean-2-workers.partial"])
def test_where_something_is_already_no_run_is_put(shootdown, tmp_path, taken):
    (tmp_path / "kept" / taken / "precious").mkdir(parents=True)
    ended = shootdown("experiments", "C19", "C25", "--out", "kept", "--json")
    assert ended.status == 2 and f"kept/{taken}: " in ended.err and ended.json["error"]["key"] == "out"
    assert [path.name for path in (tmp_path / "kept").iterdir()] == [taken]


# Density ---------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def counted(monkeypatch):
    """Densities without runs: seed 2 and 3 meet R03, none the repaired kernel unless it is said to."""
    from shootdown import density

    loud = {}

    def batch(case, seeds):
        return {seed: "I-TLB" for seed in seeds if seed in (2, 3)} if case.id == "R03" else dict(loud)

    monkeypatch.setattr(density, "_batch", batch)
    return loud


def test_density_as_a_table(shootdown, counted):
    ended = shootdown("density", "R03", "--seeds", "4", "--jobs", "1")
    assert ended.status == 0
    rows = [line.split() for line in ended.out.splitlines()]
    assert rows[0][:2] == ["id", "change"] and rows[1][0] == "repaired" and rows[1][-1] == "nothing"
    assert rows[2][:2] == ["R03", "pm-active-order"] and " ".join(rows[2][2:]) == "2 of 4 2 I-TLB 2"


def test_density_as_json_from_a_first_seed(shootdown, counted):
    ended = shootdown("density", "R03", "--seeds", "4", "--first", "3", "--jobs", "1", "--json")
    assert [(row["id"], row["met"], row["first_seed"], row["seeds"]) for row in ended.json] == [("repaired", 0, None, 4), ("R03", 1, 3, 4)]


def test_density_as_a_page(shootdown, counted):
    ended = shootdown("density", "R03", "--seeds", "4", "--jobs", "1", "--markdown")
    row, _, note = ended.out.rstrip().splitlines()[-3:]
    assert ended.out.startswith("# How dense the bugs are") and row.endswith("| 2 of 4 | 2 | I-TLB 2 | 5 |")
    assert note.startswith("- R03: ") and "pm_active" in note


def test_a_repaired_kernel_that_is_not_silent_ends_with_1(shootdown, counted):
    counted[4] = "I-ONEQ"
    ended = shootdown("density", "R03", "--seeds", "4", "--jobs", "1")
    assert ended.status == 1 and "the repaired kernel is not silent: seed 4" in ended.err


@pytest.mark.parametrize(
    ("option", "found", "allowed"),
    [
        ("--seeds", "0", "an integer from 1 to 1000000"),
        ("--seeds", "x", "an integer from 1 to 1000000"),
        ("--first", "-1", "an integer from 0 to 18446744073709551615"),
        ("--first", "1.5", "an integer from 0"),
        ("--jobs", "0", "an integer from 1 to 1024"),
        ("--jobs", "", "an integer from 1 to 1024"),
    ],
)
@pytest.mark.parametrize("command", [["density", "R03"], ["sweep", "demo"]])
def test_numbers_that_make_no_sense(shootdown, command, option, found, allowed):
    ended = shootdown(*command, f"{option}={found}")
    assert ended.status == 2 and ended.err == f"shootdown: {option}: found {found!r}, allowed: {ended.err.partition('allowed: ')[2]}"
    assert ended.err.partition("allowed: ")[2].startswith(allowed)


@pytest.mark.parametrize("command", [["density", "R03"], ["sweep", "demo"]])
def test_more_seeds_than_there_are_from_the_first_on(shootdown, command):
    ended = shootdown(*command, "--first", str(2**64 - 1), "--seeds", "2")
    assert ended.status == 2 and ended.err.startswith(
        "shootdown: --first: found 18446744073709551615, allowed: 0 to 18446744073709551614 with 2"
    )


def test_a_density_that_is_continued_says_what_was_lost_of_it(shootdown, counted, tmp_path):
    keep = tmp_path / "rows.jsonl"
    table = shootdown("density", "R03", "--seeds", "4", "--jobs", "1", "--keep", keep)
    keep.write_bytes(keep.read_bytes()[:-9])
    ended = shootdown("density", "R03", "R03", "--seeds", "4", "--jobs", "1", "--keep", keep)
    assert (ended.status, ended.out) == (0, table.out)
    assert ended.err.startswith("shootdown: ") and "rows.jsonl, line " in ended.err and "half a row" in ended.err
    assert shootdown("density", "R03", "--keep", "/dev/full").status == 2


@pytest.mark.parametrize(("other", "said"), [("nope", "no scenario or recording has this name"), ("narrow.toml", "machine.cpus")])
def test_every_scenario_is_loaded_before_one_is_swept(shootdown, tmp_path, monkeypatch, other, said):
    (tmp_path / "narrow.toml").write_text('[machine]\ncpus = 1\n[workload]\ngenerator = "fork_cow"\nparameters = { cpus = 2 }\n')
    swept = []
    monkeypatch.setattr("shootdown.sweeping.sweep", lambda *given: swept.append(given))
    ended = shootdown("sweep", "demo", other, "--seeds", 1, "--json")
    assert ended.status == 2 and said in ended.err and "demo" not in ended.json and swept == []
