"""The tables of an experiment file, checked key by key; the scenario in it is checked when its arms are made."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from cluster.scenario.machine_table import Table
from cluster.scenario.refusal import impossible
from cluster.scenario.tables import Ending

ARMS = ("before", "after", "clean")
"""The arms that every experiment has."""
PANIC = "panic"
"""In lists of checks: the modelled kernel panicked, or one of its assertions failed."""
_NAME, _ARM = re.compile("[a-z][a-z0-9_]*"), re.compile("[a-z0-9][a-z0-9-]*")
Integer = Annotated[int, Field(strict=True)]


class ParameterTable(Table):
    """``[parameters.NAME]``: a size that the figure depends on."""

    value: Integer
    min: Integer
    max: Integer
    meaning: str

    @model_validator(mode="after")
    def _in_range(self) -> ParameterTable:
        if not self.min <= self.value <= self.max:
            raise impossible(f"value = {self.value}", f"a value from min = {self.min} to max = {self.max}")
        return self


class RecordsTable(Table):
    """``records``: which records a measure looks at.

    ``kind``: a pattern as in a shell. ``actor``: a pattern of the actor's name. ``task``: made by a task whose name is like this.
    ``within``: made while the thread is inside this kernel routine. ``where``: field to value, to a pattern, or to a bound such as
    ``"< free_reserved"`` (an expression over the parameters and the machine's thresholds).
    """

    kind: str
    actor: str = "*"
    task: str = ""
    within: str = ""
    where: dict[str, int | str | bool] = {}


class MessagesTable(Table):
    """``messages``: which messages a measure counts: their words, and the actors that handle them, as patterns."""

    words: list[str]
    actor: str = "*"


MEASURES = ("metric", "records", "messages", "violations", "distance", "decisions")
"""What a figure can be."""


class FigureTable(Table):
    """``[figure]``: what is measured in every arm.

    Exactly one of ``metric`` (a metric of the run), ``records`` (counted; with ``sum`` or ``max`` the sum or greatest of that field),
    ``messages`` (counted, for what leaves no record), ``violations`` (how often the check of this name spoke), ``distance`` (from the first
    injection to what speaks first, in events or ns; the other is told beside it) and ``decisions`` (kinds of record whose sequence is
    compared with that of the arm ``after``: how many of ``schedules`` runs differ).
    ``since``: a distance begins at the first such record, instead of an injection; ``until``: it ends at the first of these that speaks,
    checks or ``panic``, instead of the first at all.
    """

    name: str
    unit: str
    metric: str = ""
    records: RecordsTable | None = None
    messages: MessagesTable | None = None
    sum: str = ""
    max: str = ""
    violations: str = ""
    distance: Literal["", "events", "ns"] = ""
    since: RecordsTable | None = None
    until: list[str] = []
    decisions: list[str] = []
    schedules: str = "1"
    about: str = ""
    """What else must be known to read it; the catalogue says it behind the name."""

    @model_validator(mode="after")
    def _one_measure(self) -> FigureTable:
        given = [name for name in MEASURES if getattr(self, name)]
        if len(given) != 1:
            raise impossible(" and ".join(given) or "none", f"exactly one of {', '.join(MEASURES)}")
        if (self.sum or self.max) and (not self.records or (self.sum and self.max)):
            raise impossible("sum or max", "one of them, with records")
        return self


class ArmTable(Table):
    """``[arms.NAME]``: what is different in this arm, and what it must show.

    ``revert``, ``apply``, ``forms``: over the kernel ``repaired``; the arm ``before`` reverts the experiment's own change if it names
    none. ``injected``: whether the tables of ``[[inject]]`` and ``[[faults]]`` are in it (not in ``clean``). ``parameters`` and
    ``switches``: values that differ in this arm. ``shows``: checks that must speak; ``may``: others that may, as a consequence; any other
    is a surprise. ``says``: texts of which each must occur in a violation's or panic's message. ``predict``: the figure, an expression
    over the parameters. ``figure``: another figure than the experiment's, for this arm.
    """

    title: str = ""
    preset: str = "repaired"
    revert: list[str] | None = None
    apply: list[str] = []
    forms: dict[str, str] = {}
    injected: bool | None = None
    parameters: dict[str, int | str] = {}
    switches: dict[str, Integer] = {}
    shows: list[str] = []
    may: list[str] = []
    says: list[str] = []
    ended: Ending | list[Ending] = "finished"
    predict: str | None = None
    figure: FigureTable | None = None

    @property
    def endings(self) -> tuple[str, ...]:
        """The endings expected."""
        return (self.ended,) if isinstance(self.ended, str) else tuple(self.ended)


class NeedTable(Table):
    """``[[needs]]``: what the parameters must satisfy together for the scenario to reach the state it is about."""

    that: str
    why: str


class DensityTable(Table):
    """``[density]``: the change depends on the schedule, and this is where random work may meet it.

    ``scenario``: one that draws its workload; ``sets``: keys of it that differ, as with ``--set``. ``ignores``: checks that do not count,
    since an old form that this one needs beside it breaks them in every run. ``note``: what the count does not say by itself.
    """

    scenario: str = "kernel-mix"
    sets: list[str] = []
    ignores: list[str] = []
    note: str = ""


class PictureTable(Table):
    """``[picture]``: what the drawing of an interleaving must have, where what decides cannot be told from the violation's words.

    Patterns as in a shell, of ``who what``. ``begins``: the first step like this begins the picture. ``keeps``: steps like these are drawn,
    whatever else is left out. ``check``: whose first words end it, if not the first of those that the arm must show. ``ends``: it goes on
    after these until the first step like this.
    """

    begins: str = ""
    check: str = ""
    ends: str = ""
    keeps: list[str] = []

    def begins_at(self, who: str, text: str) -> bool:
        """Does the picture begin with this step?"""
        return fnmatchcase(f"{who} {text}", self.begins)

    def keeps_step(self, who: str, text: str) -> bool:
        """Is this step asked for?"""
        return any(fnmatchcase(f"{who} {text}", pattern) for pattern in (*self.keeps, self.begins, self.ends) if pattern)

    def ends_at(self, who: str, text: str) -> bool:
        """Does the picture end with this step, if the violation has been told?"""
        return fnmatchcase(f"{who} {text}", self.ends)


class ExperimentTable(Table):
    """A whole experiment file. ``wrong``, ``did`` and ``uncertain`` are the catalogue's words."""

    id: Annotated[str, Field(pattern=r"^[CR][0-9]{2}$")]
    title: str = ""
    dated: str = ""
    """When the change was made, as far as it can be told."""
    wrong: str
    did: str
    uncertain: str = ""
    parameters: dict[str, ParameterTable] = {}
    switches: dict[str, Integer] = {}
    """Names that only arms set: what an arm does differently, where it is no form of the kernel."""
    needs: list[NeedTable] = []
    scenario: dict[str, Any]
    inject: list[dict[str, Any]] = []
    faults: list[dict[str, Any]] = []
    arms: dict[str, ArmTable]
    figure: FigureTable
    density: DensityTable | None = None
    picture: PictureTable = PictureTable()

    @field_validator("parameters", "switches", "arms")
    @classmethod
    def _named(cls, tables: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        """Parameters and switches are names in expressions; an arm's name is part of a directory's."""
        pattern, allowed = (_ARM, "letters, digits and hyphens") if info.field_name == "arms" else (_NAME, "small letters, digits and _")
        for name in tables:
            if not pattern.fullmatch(name):
                raise impossible(name, f"a name of {allowed}")
            if info.field_name == "switches" and name in info.data.get("parameters", {}):
                raise impossible(name, "a name that no parameter has")
        return tables

    @field_validator("arms")
    @classmethod
    def _all_there(cls, arms: dict[str, ArmTable]) -> dict[str, ArmTable]:
        if not set(ARMS) <= set(arms):
            raise impossible(", ".join(arms), f"{', '.join(ARMS)}, and further ones")
        return arms
