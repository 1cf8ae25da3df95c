"""What a row of the density table has in its fields: checked when it is read, for a table is believed, printed and drawn conclusions from.

Its version of the model may be older or newer than this program's, and so may the names of changes and checks in it; numbers must agree
with each other in any case.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, field_validator

from cluster.scenario.machine_table import Table
from cluster.scenario.refusal import impossible
from cluster.seeds import SEED_MAX

Row = dict[str, Any]
KEY = ("id", "scenario", "sets", "ignores", "first", "seeds", "model")
"""Fields that say what a row is of."""


def _printable(text: str) -> str:
    if not text.isprintable():
        raise impossible(text, "a text that can be printed")
    return text


def _named(text: str) -> str:
    if not text:
        raise impossible("an empty text", "a name")
    return _printable(text)


Text = Annotated[str, AfterValidator(_printable)]
Name = Annotated[str, AfterValidator(_named)]
Seed = Annotated[int, Field(strict=True, ge=0, le=SEED_MAX)]
Positive = Annotated[int, Field(strict=True, ge=1, le=SEED_MAX)]


class DensityRow(Table):
    """One row. Fields that this version does not know are let be."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    id: Name
    scenario: Name
    sets: list[Name]
    ignores: list[Name]
    first: Seed
    seeds: Positive
    model: Positive
    slug: Text
    met: Seed
    first_seed: Seed | None
    spoke: dict[Name, Positive]

    @field_validator("seeds")
    @classmethod
    def _are_there(cls, seeds: int, info: ValidationInfo) -> int:
        most = SEED_MAX - info.data.get("first", 0) + 1
        if seeds > most:
            raise impossible(seeds, f"1 to {most}, from seed {SEED_MAX - most + 1} on")
        return seeds

    @field_validator("met")
    @classmethod
    def _among_them(cls, met: int, info: ValidationInfo) -> int:
        seeds = info.data.get("seeds", met)
        if met > seeds:
            raise impossible(met, f"0 to {seeds}, the number of seeds")
        return met

    @field_validator("first_seed")
    @classmethod
    def _first_of_them(cls, lowest: int | None, info: ValidationInfo) -> int | None:
        known = info.data
        if not {"first", "seeds", "met"} <= known.keys():
            return lowest
        first, met = known["first"], known["met"]
        last = first + known["seeds"] - met
        if (lowest is None) != (met == 0):
            raise impossible(lowest, "null where none was met" if met == 0 else f"the first of the {met} that were met")
        if lowest is not None and not first <= lowest <= last:
            raise impossible(lowest, f"{first} to {last}, with {met} met in {known['seeds']} seeds from {first} on")
        return lowest

    @field_validator("spoke")
    @classmethod
    def _as_many(cls, spoke: dict[str, int], info: ValidationInfo) -> dict[str, int]:
        met = info.data.get("met", sum(spoke.values()))
        if sum(spoke.values()) != met:
            raise impossible(spoke, f"counts that are {met} together, as met says")
        return spoke
