"""What an experiment file may not say: each wrong key or value is one sentence with file, line, what was found and what is allowed."""

from __future__ import annotations

import pytest

from cluster.errors import InputError
from shootdown.experimenting import experiments

FIGURE = 'records = { kind = "unguarded", where = { field = "valid" } }'
DECISIONS = 'decisions = ["page.queue"]\n'
CLEAN = "[arms.clean]\n"

WRONG = {
    "id, unknown": ('id = "C30"', 'id = "C99"', "id", "C99", "C33, R01"),
    "id, no text": ('id = "C30"', "id = 30", "id", "30", "a text in quotes"),
    "a key that is none": ('did = "', 'done = ""\ndid = "', "done", "done", "uncertain"),
    "a key that is missing": ('wrong = "what was wrong"\n', "", "wrong", "nothing", "wrong must be given"),
    "value beyond": ("value = 3", "value = 30", "parameters.pages", "value = 30", "from min = 1 to max = 20"),
    "value no integer": ("value = 3", "value = 3.5", "parameters.pages.value", "3.5", "an integer"),
    "value a truth": ("value = 3", "value = true", "parameters.pages.value", "True", "an integer"),
    "ends crossed": ("min = 1", "min = 9", "parameters.pages", "value = 3", "from min = 9"),
    "no min": ("min = 1\n", "", "parameters.pages.min", "nothing", "min must be given"),
    "parameter no name": ("[parameters.pages]", '[parameters."a b"]', "parameters", "a b", "small letters, digits and _"),
    "switch a parameter": ("reads = 0", "pages = 0", "switches", "pages", "a name that no parameter has"),
    "switch no integer": ("reads = 0", 'reads = "0"', "switches.reads", "0", "an integer"),
    "arm no name": (CLEAN, '[arms."../x"]\n[arms.clean]\n', "arms", "../x", "letters, digits and hyphens"),
    "arm missing": (CLEAN + 'predict = "0"\n', "", "arms", "before, after", "before, after, clean, and further ones"),
    "arm key": (CLEAN, CLEAN + "show = []\n", "arms.clean.show", "show", "known key"),
    "ending": (CLEAN, CLEAN + 'ended = "over"\n', "arms.clean.ended", "over", "'stuck', 'panic' or 'limit'"),
    "shows no check": (CLEAN, CLEAN + 'shows = ["I-NOPE"]\n', "arms.clean.shows[0]", "I-NOPE", "panic, I-ACT"),
    "may no check": (CLEAN, CLEAN + 'may = ["panic", "I-NOPE"]\n', "arms.clean.may[1]", "I-NOPE", "panic, I-ACT"),
    "says no list": (CLEAN, CLEAN + 'says = "x"\n', "arms.clean.says", "x", "a list"),
    "preset": (CLEAN, CLEAN + 'preset = "x"\n', "arms.clean.preset", "x", "freebsd-2004, freebsd-2006, repaired"),
    "revert unknown": (CLEAN, CLEAN + 'revert = ["C77"]\n', "arms.clean.revert[0]", "C77", "C01 (remove-without-busy)"),
    "revert of another pmap": (CLEAN, CLEAN + 'revert = ["C09"]\n', "arms.clean.revert[0]", "C09", "machine.pmap = i386"),
    "revert and apply": (CLEAN, CLEAN + 'revert = ["C30"]\napply = ["C30"]\n', "arms.clean.revert[0]", "C30", "one form of a change"),
    "form unknown": (CLEAN, CLEAN + 'forms = { C30 = "x" }\n', "arms.clean.forms.C30", "x", "wrapper, caller"),
    "forms that never stood together": (
        CLEAN, CLEAN + 'forms = { C19 = "held", C24 = "pq-only" }\n', "arms.clean.forms.C19", "C19", "C24 = fq-held",
    ),
    "arm parameter unknown": (CLEAN, CLEAN + "parameters = { page = 1 }\n", "arms.clean.parameters.page", "page", "pages"),
    "arm parameter no value": (CLEAN, CLEAN + 'parameters = { pages = "x + 1" }\n', "arms.clean.parameters.pages", "x + 1", "integers and"),
    "arm parameter beyond": (CLEAN, CLEAN + "parameters = { pages = 100000 }\n", "arms.clean.parameters.pages", "100000", "1 to 20: copy"),
    "arm parameter evaluated": (
        CLEAN, CLEAN + 'parameters = { pages = "pages * 9" }\n', "arms.clean.parameters.pages", "pages * 9 = 27", "1 to 20: copy-on",
    ),
    "arm switch unknown": (CLEAN, CLEAN + "switches = { nope = 1 }\n", "arms.clean.switches.nope", "nope", "reads"),
    "predict no text": ('predict = "pages"', "predict = 3", "arms.before.predict", "3", "a text in quotes"),
    "predict no expression": ('predict = "pages"', 'predict = "3 +"', "arms.before.predict", "3 +", "integers and names"),
    "predict no name": ('predict = "pages"', 'predict = "page"', "arms.before.predict", "page", "integers and names"),
    "no measure": (FIGURE + "\n", "", "figure", "none", "exactly one of metric, records"),
    "two measures": (FIGURE, FIGURE + '\nmetric = "faults.cow"', "figure", "metric and records", "exactly one of"),
    "sum of no records": (FIGURE, 'metric = "faults.cow"\nsum = "free"', "figure", "sum or max", "with records"),
    "sum and max": (FIGURE, FIGURE + '\nsum = "thread"\nmax = "thread"', "figure", "sum or max", "one of them"),
    "metric": (FIGURE, 'metric = "faults.x"', "figure.metric", "faults.x", "a metric of"),
    "violations": (FIGURE, 'violations = "I-NOPE"', "figure.violations", "I-NOPE", "I-ACT"),
    "distance": (FIGURE, 'distance = "miles"', "figure.distance", "miles", "'events' or 'ns'"),
    "until": (FIGURE, 'distance = "ns"\nuntil = ["I-NOPE"]', "figure.until[0]", "I-NOPE", "panic, I-ACT"),
    "since": (FIGURE, 'distance = "ns"\nsince = { kind = "nope" }', "figure.since.kind", "nope", "page.queue"),
    "decisions": (FIGURE, 'decisions = ["nope.*"]', "figure.decisions[0]", "nope.*", "page.queue"),
    "schedules no value": (FIGURE, DECISIONS + 'schedules = "x"', "figure.schedules", "x", "integers and names"),
    "schedules none": (FIGURE, DECISIONS + 'schedules = "pages - 3"', "figure.schedules", "pages - 3 = 0", "1 or more"),
    "kind": ('kind = "unguarded"', 'kind = "nope"', "figure.records.kind", "nope", "page.queue"),
    "field": ("where = { field =", "where = { nope =", "figure.records.where.nope", "nope", "field, needed, subject, thread"),
    "bound": ('field = "valid"', 'thread = "< nope"', "figure.records.where.thread", "nope", "integers and names"),
    "summed field": (FIGURE, FIGURE + '\nsum = "nope"', "figure.sum", "nope", "field, needed, subject, thread"),
    "greatest field": (FIGURE, FIGURE + '\nmax = "nope"', "figure.max", "nope", "field, needed, subject, thread"),
    "task": ("where = {", 'task = "nobody", where = {', "figure.records.task", "nobody", "writer"),
    "need no value": ("[figure]", '[[needs]]\nthat = "x"\nwhy = "y"\n[figure]', "needs[0].that", "x", "integers and names"),
    "need without a reason": ("[figure]", '[[needs]]\nthat = "1"\n[figure]', "needs[0].why", "nothing", "why must be given"),
    "density key": ("[figure]", "[density]\nseed = 3\n[figure]", "density.seed", "seed", "scenario, sets"),
    "picture's check": ("[figure]", '[picture]\ncheck = "I-NOPE"\n[figure]', "picture.check[0]", "I-NOPE", "I-ONEQ"),
    "density ignores": (
        "[figure]", '[density]\nignores = ["I-PV", "I-NOPE"]\n[figure]', "density.ignores[0]", "I-PV", "I-ACT, I-BOUNDS",
    ),
    "density set": (
        "[figure]", '[density]\nsets = ["machine.frames = 4096", "machine.cpus=0"]\n[figure]', "density.sets[1]", "0", "1 or more",
    ),
    "density set of no sense": ("[figure]", '[density]\nsets = ["cpus"]\n[figure]', "density.sets[0]", "cpus", "KEY=VALUE"),
    "density scenario": ("[figure]", '[density]\nscenario = "nope"\n[figure]', "density.scenario", "no such file", "demo"),
    "machine key": ("cpus = 2", "cpu = 2", "scenario.machine.cpu", "cpu", "cpus (did you mean that?)"),
    "machine value": ("cpus = 2", "cpus = 0", "scenario.machine.cpus", "0", "1 or more"),
    "hole": ("cpus = 2", 'cpus = "${nope}"', "scenario.machine.cpus", "nope", "integers and names"),
    "step": ('do = "mmap"', 'do = "nope"', "scenario.workload.task[0].steps[0].do", "nope", "access, mmap"),
    "step value": ('"${pages}"', '"pages"', "scenario.workload.task[0].steps[0].pages", "pages", "an integer from 1"),
    "each": ('i = "pages"', 'i = "nope"', "scenario.workload.task[0].steps[1].each.i", "nope", "integers and names"),
    "fault": ("[figure]", '[[faults]]\nkind = "nope"\n[figure]', "scenario.faults[0].kind", "nope", "jitter"),
    "injected": ("[figure]", '[[inject]]\nwhat = "nope"\n[figure]', "scenario.workload.inject[0].what", "nope", "file-page, free-frames"),
    "TOML": ("[figure]", "[figure]]", "TOML", "[figure]]", "valid TOML"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_refused(case, written):
    old, new, key, found, allowed = WRONG[case]
    path = written((old, new))
    with pytest.raises(InputError) as raised:
        list(experiments([str(path)]))
    error, sentence = raised.value, str(raised.value)
    assert (error.file, error.key) == (str(path), key)
    assert sentence.startswith(f"{path}:{error.line}: {key}: " if error.line else f"{path}: {key}: ")
    assert f"found {found}, allowed: " in sentence and allowed in sentence.partition("allowed: ")[2]
    assert "\n" not in sentence and allowed in str(error.allowed)


def test_the_line_is_that_of_the_key(written):
    path = written(("value = 3", "value = 3.5"))
    with pytest.raises(InputError) as raised:
        list(experiments([str(path)]))
    assert path.read_text().splitlines()[raised.value.line - 1] == "value = 3.5"


def test_the_small_experiment_itself_is_allowed(written):
    assert len(list(experiments([str(written())]))) == 1
