"""``--kernel``, ``--revert`` and ``--apply`` over a scenario's raw ``[kernel]``, with ``--set kernel.*`` between them.

A preset replaces what the file says, never what was typed: first it takes the place of the file's table, then every ``--set`` is laid over
it, then changes are put back or on. Two options that contradict each other are refused; letting the later one win was rejected, because
options of different names have no order that a person would expect.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cluster.errors import InputError
from cluster.scenario.overrides import PLACE
from cluster.scenario.read import Raw
from cluster.scenario.refusal import Place, refuse
from protocol.kernels import Chosen, KernelError, change_called

EXAMPLE = "C10,pmap-copy-window"


def lay_preset(raw: Raw, preset: str | None) -> dict[str, str]:
    """Put the preset in the place of the file's ``[kernel]``; returns the key it gave with the option's name."""
    if preset is None:
        return {}
    raw["kernel"] = {"preset": preset}
    return {"kernel.preset": "--kernel"}


def refuse_two_presets(raw: Raw, preset: str | None) -> None:
    """Raises InputError if ``--set`` has put another preset over that of ``--kernel``."""
    table = raw.get("kernel")
    found = table.get("preset") if isinstance(table, dict) else None
    if preset is not None and found != preset:
        raise refuse(PLACE, "kernel.preset", found, f"{preset}, as --kernel says, or one of the two options alone")


def lay_changes(raw: Raw, revert: Sequence[str], apply: Sequence[str], given: Mapping[str, str]) -> dict[str, str]:
    """Add the changes of ``--revert`` and ``--apply``; ``given`` are keys that ``--set`` gave. Returns each key added with its option."""
    options = {"revert": changes_named("--revert", revert), "apply": changes_named("--apply", apply)}
    table = raw.get("kernel", {})
    if not any(options.values()) or not isinstance(table, dict):
        return {}
    raw["kernel"] = table = _without(table, [name for names in options.values() for name in names], given)
    places: dict[str, str] = {}
    for key, names in options.items():
        before = table.get(key, [])
        if names and isinstance(before, list):
            table[key] = [*before, *names]
            places |= {f"kernel.{key}[{len(before) + index}]": f"--{key}" for index in range(len(names))}
    return places


def changes_named(option: str, texts: Iterable[str]) -> list[str]:
    """The names in texts such as ``C10,pmap-copy-window``. Raises InputError for a name that is empty."""
    found = []
    for text in texts:
        for name in map(str.strip, text.split(",")):
            if not name:
                raise refuse(option, "CHANGE", text, f"names of changes, separated by commas, such as {EXAMPLE}", why="an empty name")
            found.append(name)
    return found


def _without(table: Raw, names: Sequence[str], given: Mapping[str, str]) -> Raw:
    """The file's ``[kernel]`` without what it says of the changes that an option names: the option has the last word over the file.

    What ``--set`` gave stays: if it contradicts the other option, that is told where the forms are chosen.
    """
    named = {change_id(name) for name in names}
    kept = dict(table)
    for key in ("revert", "apply", "forms"):
        value, path = table.get(key), f"kernel.{key}"
        if isinstance(value, list) and not any(place.startswith(path) for place in given):
            kept[key] = [name for name in value if change_id(name) not in named]
        elif isinstance(value, dict) and path not in given:
            kept[key] = {name: form for name, form in value.items() if f"{path}.{name}" in given or change_id(name) not in named}
    return kept


def change_id(name: object) -> object:
    """A change's id, whatever it was called by; a name that is none stays, to be refused where it stands."""
    try:
        return change_called(str(name)).id
    except KernelError:
        return name


def kernel_refusal(error: KernelError, named: Sequence[tuple[str, str]], place: Place) -> InputError:
    """What cannot be chosen, at the key below ``kernel`` that asked for it; ``named`` are those keys with what they name."""
    found = change_id(error.found)
    key = next((key for key, name in named if found in (name, change_id(name))), "preset")
    return place.refuse(f"kernel.{key}", error.found, error.allowed, str(error))


def kernel_notes(chosen: Chosen, preset: str = "") -> tuple[str, ...]:
    """What a run says of its kernel."""
    brought = tuple(f"{name} = {why}" for name, why in chosen.brought.items())
    ignored = (f"not of this pmap, and left out of {preset}: {', '.join(chosen.ignored)}",) if chosen.ignored else ()
    return brought + ignored + chosen.remarks
