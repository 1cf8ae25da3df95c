"""Every field of a row of the density table is checked, and all of them against each other."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from cluster.errors import InputError
from cluster.scenario.refusal import Place, refusal_of
from cluster.seeds import SEED_MAX
from shootdown.density_form import KEY, DensityRow

ROW = {
    "id": "R03", "scenario": "mix", "sets": ["a=1"], "ignores": [], "first": 3, "seeds": 4, "model": 6, "slug": "pm-active-order", "met": 2,
    "first_seed": 4, "spoke": {"I-TLB": 1, "stuck": 1},
}  # fmt: skip
SILENT = {**ROW, "met": 0, "first_seed": None, "spoke": {}}


def refused(row) -> InputError:
    with pytest.raises(ValidationError) as caught:
        DensityRow.model_validate(row)
    return refusal_of(caught.value, DensityRow, Place("rows"))


@pytest.mark.parametrize("row", [ROW, SILENT, {**ROW, "model": 1, "id": "C99"}, {**ROW, "model": 999, "more": "of a later version"}])
def test_a_row_of_any_version_is_right(row):
    assert DensityRow.model_validate(row).id == row["id"]


@pytest.mark.parametrize("field", ROW)
def test_every_field_must_be_there_and_of_its_type(field):
    missing = refused({name: value for name, value in ROW.items() if name != field})
    assert (missing.key, missing.found) == (field, "nothing")
    for wrong in (["x", 1], {"x": "y"}, True, 1.5, -1, "\x1b[31m"):
        assert refused({**ROW, field: wrong}).key.startswith(field)
    assert set(KEY) < set(ROW)


@pytest.mark.parametrize(
    ("row", "field", "allowed"),
    [
        ({**ROW, "met": 999}, "met", "0 to 4, the number of seeds"),
        ({**ROW, "met": "many"}, "met", "an integer"),
        ({**ROW, "spoke": []}, "spoke", "a table"),
        ({**ROW, "slug": 7}, "slug", "a text"),
        ({**ROW, "slug": "\x1b[31m"}, "slug", "a text that can be printed"),
        ({**ROW, "spoke": {"I-TLB": 1}}, "spoke", "counts that are 2 together"),
        ({**ROW, "spoke": {"I-TLB": 2, "stuck": 0}}, "spoke.stuck", "1 or more"),
        ({**ROW, "first_seed": 7}, "first_seed", "3 to 5, with 2 met in 4 seeds from 3 on"),
        ({**ROW, "first_seed": 2}, "first_seed", "3 to 5"),
        ({**ROW, "first_seed": None}, "first_seed", "the first of the 2"),
        ({**SILENT, "first_seed": 3}, "first_seed", "null where none was met"),
        ({**ROW, "seeds": 0}, "seeds", "1 or more"),
        ({**ROW, "first": SEED_MAX}, "seeds", f"1 to 1, from seed {SEED_MAX} on"),
        ({**ROW, "model": 0}, "model", "1 or more"),
        ({**ROW, "sets": [7]}, "sets[0]", "a text"),
        ({**ROW, "id": ""}, "id", "a name"),
    ],
)
def test_what_cannot_be_is_named_with_what_is_allowed(row, field, allowed):
    found = refused(row)
    assert found.key == field and allowed in found.allowed
