"""Why a log is empty: what was asked for and is not in the run, with what there is instead, near names first.

Looked for only when nothing was found, in a second pass over the trace: an index of names kept with every run would cost those who never
mistype one. Where part of the trace is lost, what is not there may have been in that part, and nobody is told that it cannot be.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from cluster.errors import InputError, RunError
from cluster.inspect.escape import escaped
from cluster.inspect.lines import thread_name
from cluster.inspect.select import Named, Selection
from cluster.recording.stored import StoredRun
from protocol.locks import known_class

SHOWN_MAX = 16
OPTIONS = {"actor": "--actor", "kind": "--kind", "page": "--page", "lock": "--lock", "thread": "--thread"}


def need_readable(run: StoredRun) -> None:
    """Raises RunError if the run wrote a trace of which nothing is left to read, InputError if it kept none."""
    run.need_trace()
    if not run.trace.slices:
        raise _unreadable(run)


def _unreadable(run: StoredRun) -> RunError:
    sentence = f"{run.path}: nothing of the trace can be read ({'; '.join(run.losses) or 'it is empty'})"
    return RunError(sentence, file=str(run.path), found="nothing that can be read", allowed="a trace with at least one slice")


def why_nothing(run: StoredRun, selection: Selection) -> list[str]:
    """Sentences on a log without a line. Raises InputError for an actor that the run does not have, RunError if nothing can be read."""
    named = Named()
    for batch in run.trace.entries():
        for head, _, records in batch:
            named.add(head[3], records)
    if not named.actors:
        raise _unreadable(run)
    lacking = named.lacks(selection)
    if "actor" in lacking and not run.losses:
        raise _no_actor(run, str(selection.asked["actor"]), named)
    ends = f"; the run ends at {run.manifest.virtual_ns:,} ns" if selection.from_ns > run.manifest.virtual_ns and run.manifest.ended else ""
    return [_sentence(name, selection, named) for name in lacking] or [f"nothing matches: {_all_of(selection)}{ends}"]


def _no_actor(run: StoredRun, asked: str, named: Named) -> InputError:
    known = near(asked, named.actors)
    sentence = f"{run.path}: --actor: no actor of this run is called so; found {escaped(asked)}, allowed: {', '.join(known)}"
    return InputError(sentence, file=str(run.path), key="--actor", found=asked, allowed=known)


def _sentence(name: str, selection: Selection, named: Named) -> str:
    known = {"actor": named.actors, "lock": _locks(named), "thread": {thread_name(thread) for thread in named.threads if thread >= 0}}
    asked = _shown(name, selection.asked[name])
    there = _frames_near(selection.frame or 0, named) if name == "page" else near(asked, known[name])
    return f"nothing matches: no record of this run is of {OPTIONS[name]} {asked}; there are {', '.join(there) or 'none'}"


def _locks(named: Named) -> set[str]:
    """Locks by name, type and class, each of which can be asked for."""
    known = [(lock, known_class(lock)) for lock in named.locks if lock]
    return {word for lock, found in known for word in (lock, *((found.type, found.metric) if found is not None else ()))}


def _frames_near(frame: int, named: Named) -> list[str]:
    ordered = sorted((found for found in named.frames if found >= 0), key=lambda found: (abs(found - frame), found))
    return _few([hex(found) for found in ordered])


def _all_of(selection: Selection) -> str:
    """What was asked for together, each of which there is."""
    asked = [f"{OPTIONS[name]} {_shown(name, value)}" for name, value in selection.asked.items() if value is not None]
    until = f" before {selection.until_ns:,} ns" if selection.until_ns is not None else ""
    when = f" from {selection.from_ns:,} ns on{until}" if selection.from_ns or until else ""
    what = f" of {' and '.join(asked)}" if asked else ""
    return f"no record{what}{when}"


def _shown(name: str, value: Any) -> str:
    return thread_name(value) if name == "thread" else hex(value) if name == "page" else escaped(str(value))


def near(text: str, names: Iterable[str]) -> list[str]:
    """The names, those most like ``text`` first and the others in order; of many only the first, and how many more."""
    ordered = sorted(names, key=_natural)
    close = difflib.get_close_matches(text, ordered, n=5, cutoff=0.5)
    found = [escaped(name) for name in [*close, *(name for name in ordered if name not in close)]]
    return _few(found)


def _few(names: list[str]) -> list[str]:
    return names if len(names) <= SHOWN_MAX else [*names[:SHOWN_MAX], f"and {len(names) - SHOWN_MAX} more"]


def _natural(name: str) -> tuple[int, str]:
    """Short names before long ones: ``cpu.2`` before ``cpu.10`` before ``object.3.cpu.0``."""
    return len(name), name
