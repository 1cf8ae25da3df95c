"""``shootdown log RUN``: a run's records, one line each."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from cluster.cli.options import Json, RunArgument, integer_option

if TYPE_CHECKING:
    from cluster.inspect.select import Selection
    from cluster.recording.stored import StoredRun


def _option(flag: str, text: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(flag, help=text, show_default=False)
    return option


ActorFilter = Annotated[str | None, _option("--actor", "Actors like this pattern, such as 'cpu.*'.")]
KindFilter = Annotated[str | None, _option("--kind", "Kinds of record like this pattern, such as 'ipi.*'.")]
PageFilter = Annotated[str | None, _option("--page", "Records about the page in this frame: 31, or 0x1f as the log prints it.")]
LockFilter = Annotated[str | None, _option("--lock", "Records about locks like this: a name, a type or a class.")]
ThreadFilter = Annotated[str | None, _option("--thread", "Records on behalf of this thread: 3, or t3 or k0.0 as the log prints it.")]
FromTime = Annotated[str, _option("--from", 'From this virtual time on: ns, or with a unit ("1.5 ms").')]
UntilTime = Annotated[str | None, _option("--until", "Before this virtual time.")]
Limit = Annotated[int, integer_option("--limit", least=0, help="At most so many lines (0: all).")]
Cause = Annotated[str | None, _option("--cause", "Walk back from this event (SENDER:SEQ) to the start.")]


Lines = Annotated[bool, typer.Option("--jsonl", help="One JSON object per line, for streams.")]


class ArrayOut(io.StringIO):
    """Lines of JSON written as one array, an item per line: one value for those who parse, one line per record for those who cut."""

    def __init__(self, out: TextIO) -> None:
        super().__init__()
        self._out, self._items = out, 0

    def write(self, text: str) -> int:
        """One item, its line end included."""
        self._items += 1
        return self._out.write(("[\n" if self._items == 1 else ",\n") + text.rstrip("\n"))

    def flush(self) -> None:
        """Hand on what is buffered."""
        self._out.flush()

    def end(self) -> None:
        """Close the array."""
        self._out.write("\n]\n" if self._items else "[]\n")


def command(
    run: RunArgument,
    actor: ActorFilter = None,
    kind: KindFilter = None,
    page: PageFilter = None,
    lock: LockFilter = None,
    thread: ThreadFilter = None,
    from_time: FromTime = "0",
    until: UntilTime = None,
    limit: Limit = 0,
    cause: Cause = None,
    lines: Lines = False,
    as_json: Json = False,
) -> None:
    """Print a run's records in order of time, or with --cause the chain of events that led to one."""
    import shootdown as sd
    from cluster.cli.output import note
    from cluster.inspect.absent import need_readable, why_nothing
    from cluster.inspect.select import Selection

    from_ns, until_ns = _span(from_time, until)
    selection = Selection(
        actor, kind, None if page is None else _frame(page), lock, None if thread is None else _thread(thread), from_ns, until_ns
    )
    stored = sd.open_run(run).stored
    need_readable(stored)
    _refuse_frame(selection, stored)
    array = ArrayOut(sys.stdout) if as_json else None
    written = _render(stored, array or sys.stdout, selection, cause, lines or as_json, limit)
    reasons = why_nothing(stored, selection) if not written else []
    if array is not None:
        array.end()
    note(*(f"shootdown: {text}" for text in (*reasons, *stored.losses)))


def _render(stored: StoredRun, out: TextIO, selection: Selection, cause: str | None, json: bool, limit: int) -> int:
    """How many lines were written."""
    from cluster.inspect.causes import render_causes
    from cluster.inspect.log import render_log

    if cause is not None:
        return render_causes(stored, out, cause, json)
    return render_log(stored, out, selection, json, limit)


def _span(from_time: str, until: str | None) -> tuple[int, int | None]:
    from cluster.cli.at import nanoseconds

    from_ns, until_ns = nanoseconds(from_time, "--from"), None if until is None else nanoseconds(until, "--until")
    if until_ns is not None and until_ns <= from_ns:
        from cluster.scenario.refusal import refuse

        raise refuse("log", "--until", f"{until_ns} ns", f"more than {from_ns} ns, where --from has the log begin")
    return from_ns, until_ns


def _refuse_frame(selection: Selection, stored: StoredRun) -> None:
    """The machine has so many frames, and page records without RAM have numbers of their own."""
    from protocol.pages import FAKE

    machine = stored.manifest.plan.model.machine
    if selection.frame is not None and machine is not None and machine.frames <= selection.frame < FAKE:
        from cluster.scenario.refusal import refuse

        allowed = f"a frame of the machine: 0 to {machine.frames - 1:#x}, or a fictitious one: {FAKE:#x} and more"
        raise refuse("log", "--page", selection.frame, allowed)


def _frame(text: str) -> int:
    from cluster.scenario.refusal import refuse

    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if number < 0:
        raise refuse("log", "--page", text, "a frame's number, such as 31 or 0x1f")
    return number


def _thread(text: str) -> int:
    from cluster.inspect.lines import thread_number
    from cluster.scenario.refusal import refuse

    number = thread_number(text)
    if number is None:
        raise refuse("log", "--thread", text, "a thread's number or name, such as 3, t3 (task 3) or k0.0 (CPU 0's first kernel thread)")
    return number
