"""Every field of a row of the density table is checked, and all of them against each other."""

from __future__ import annotations

import pytest

from shootdown.density_form import KEY, SEED_MAX, fault_of

ROW = {
    "id": "R03", "scenario": "mix", "sets": ["a=1"], "ignores": [], "first": 3, "seeds": 4, "model": 6, "slug": "pm-active-order", "met": 2,
    "first_seed": 4, "spoke": {"I-TLB": 1, "stuck": 1},
}  # fmt: skip
SILENT = {**ROW, "met": 0, "first_seed": None, "spoke": {}}


@pytest.mark.parametrize("row", [ROW, SILENT, {**ROW, "model": 1, "id": "C99"}, {**ROW, "model": 999, "more": "of a later version"}])
def test_a_row_of_any_version_is_right(row):
    assert fault_of(row) == ("", None, "")


@pytest.mark.parametrize("field", ROW)
def test_every_field_must_be_there_and_of_its_type(field):
    assert fault_of({name: value for name, value in ROW.items() if name != field})[:2] == (field, "nothing")
    for wrong in (["x", 1], {"x": "y"}, True, 1.5, -1, "\x1b[31m"):
        found = fault_of({**ROW, field: wrong})
        assert (found[0], found[1]) == (field, wrong) and found[2]
    assert set(KEY) < set(ROW)


@pytest.mark.parametrize(
    ("row", "field", "allowed"),
    [
        ({**ROW, "met": 999}, "met", "0 to 4, the number of seeds"),
        ({**ROW, "met": "many"}, "met", "an integer of 0 or more"),
        ({**ROW, "spoke": []}, "spoke", "how often each spoke first"),
        ({**ROW, "slug": 7}, "slug", "a change's slug"),
        ({**ROW, "spoke": {"I-TLB": 1}}, "spoke", "counts that are 2 together"),
        ({**ROW, "spoke": {"": 2}}, "spoke", "how often"),
        ({**ROW, "spoke": {"I-TLB": 2, "stuck": 0}}, "spoke", "1 or more"),
        ({**ROW, "first_seed": 7}, "first_seed", "3 to 5, with 2 met in seeds 3 to 6"),
        ({**ROW, "first_seed": 2}, "first_seed", "3 to 5"),
        ({**ROW, "first_seed": None}, "first_seed", "the first of the 2"),
        ({**SILENT, "first_seed": 3}, "first_seed", "null where none was met"),
        ({**ROW, "seeds": 0}, "seeds", "1 or more"),
        ({**ROW, "first": SEED_MAX}, "seeds", f"1 to 1, from seed {SEED_MAX} on"),
        ({**ROW, "model": 0}, "model", "1 or more"),
        ({**ROW, "sets": [7]}, "sets", "a list of settings"),
        ({**ROW, "id": ""}, "id", "an id of a change"),
    ],
)
def test_what_cannot_be_is_named_with_what_is_allowed(row, field, allowed):
    found = fault_of(row)
    assert found[0] == field and allowed in found[2]
