"""``shootdown state RUN --at NS``: what any actor's state is at any instant."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cluster.cli.options import At, Json, RunArgument
from cluster.cli.output import DONE, print_json, printable, say

ActorGlob = Annotated[str, typer.Option("--actor", metavar="GLOB", help="Actors by name, such as 'object.7.*' or 'cpu.?'.")]


def command(run: RunArgument, at: At, actor: ActorGlob = "*", as_json: Json = False) -> int:
    """Print the state of actors of RUN as it was before anything at --at was handled."""
    import shootdown as sd
    from cluster.cli.at import nanoseconds

    at_ns = nanoseconds(at)
    found = sd.states(run, at_ns, actor)
    if as_json:
        print_json({"run": str(run), "at_ns": at_ns, "actors": found})
        return DONE
    for name, state in found.items():
        say(name, *(f"  {line}" for line in _lines(state)))
    return DONE


def _lines(state: dict[str, Any]) -> list[str]:
    """A field per line; what is empty or zero is left out, and a table gets a line per row."""
    import msgspec

    lines = []
    for key, value in state.items():
        if key == "name" or value in (0, "", -1, False, None) or value in ([], {}):
            continue
        if isinstance(value, dict) and key in ("threads", "pages", "entries"):
            lines.append(f"{key}:")
            lines += [f"  {printable(row)}: {_text(msgspec, content)}" for row, content in value.items()]
        else:
            lines.append(f"{key}: {_text(msgspec, value)}")
    return lines


def _text(msgspec: Any, value: Any) -> str:
    if isinstance(value, dict):
        value = {key: item for key, item in value.items() if item not in (0, "", -1, False, None) and item not in ([], {})}
    return printable(msgspec.json.encode(value).decode())
