"""How a modelled mechanism is taken out of the code, for one test: a routine is replaced wherever it is known, or a form is mistaken.

Each patch of the files ``disabled_*.py`` is a small function named by what is true with it. A flag in the kernel's code that turns a
mechanism off was rejected: then the flag would be tested, and not the mechanism.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pytest

from actors import machine
from actors.kernel.context import Context
from protocol.changes import CHANGES

Patch = pytest.MonkeyPatch


class Disabled(NamedTuple):
    """A change, what takes its mechanism out, and a word of the sentence in which its experiment says that it is not reproduced.

    ``arms``: besides before and after, only these are run; all if None.
    """

    change: str
    patch: Callable[[Patch], None]
    missed: str
    arms: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """As its test is called."""
        return f"{self.change}-{self.patch.__name__}"


def replace(patch: Patch, routine: Callable[..., Any], by: Callable[..., Any]) -> None:
    """Let every module of the actors that knows ``routine`` know ``by`` in its place."""
    found = 0
    for name, module in sorted(sys.modules.items()):
        if name.startswith("actors."):
            for known, value in list(vars(module).items()):
                if value is routine:
                    patch.setattr(module, known, by)
                    found += 1
    assert found, routine


async def nothing(*_: object) -> None:
    """In place of a step of a routine."""


class FormsOf:
    """A thread's context in which one change has another form than the kernel's, for one routine."""

    def __init__(self, k: Context, change: str, form: str) -> None:
        self._k, self._change, self._form = k, change, form

    def __getattr__(self, name: str) -> Any:
        return getattr(self._k, name)

    def form(self, change: str) -> str:
        """The form in force."""
        return self._form if change == self._change else self._k.form(change)


def in_form(patch: Patch, routine: Callable[..., Any], change: str, form: str) -> None:
    """Let one routine, and what it calls, believe in a form of a change, whatever the kernel's is."""

    async def believing(k: Context, *arguments: Any, **named: Any) -> Any:
        return await routine(FormsOf(k, change, form), *arguments, **named)

    replace(patch, routine, believing)


def machine_of(patch: Patch, forms: Callable[[Mapping[str, str]], dict[str, str]]) -> None:
    """Let the machine be built with other forms than the kernel asked for; whoever checks it knows nothing of that."""
    boot_actors, tables = machine.boot_actors, machine.tables
    patch.setattr(machine, "boot_actors", lambda size, work, kernel=None: boot_actors(size, work, forms(kernel or {})))
    patch.setattr(machine, "tables", lambda kernel, *others: tables(forms(kernel), *others))


def always_newest(patch: Patch, id: str) -> None:
    """No kernel has an old form of this change."""
    change = CHANGES[id]
    machine_of(patch, lambda kernel: {**kernel, id: kernel[id] if kernel[id] in change.foils else change.newest})


def always_oldest(patch: Patch, id: str) -> None:
    """No kernel has the new form of this change."""
    change = CHANGES[id]
    machine_of(patch, lambda kernel: {**kernel, id: change.oldest if kernel[id] == change.newest else kernel[id]})


def foil_in_place_of(patch: Patch, id: str, form: str) -> None:
    """A kernel with this form of the change has one that no kernel had."""
    (foil,) = CHANGES[id].foils
    machine_of(patch, lambda kernel: {**kernel, id: foil if kernel[id] == form else kernel[id]})


def newest_in_place_of_foil(patch: Patch, id: str) -> None:
    """The form that was made to be told apart is the kernel's own."""
    change = CHANGES[id]
    machine_of(patch, lambda kernel: {**kernel, id: change.newest if kernel[id] in change.foils else kernel[id]})
