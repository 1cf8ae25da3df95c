"""``shootdown log RUN --cause EVENT``: from an event back to the boot, cause by cause.

An event's cause lies in its own slice or an earlier one, so one pass over the slices from the last to the first finds the whole chain
with one slice in memory. An index of all events by identity was rejected: it would be larger than the trace.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TextIO

from cluster.errors import InputError
from cluster.inspect.escape import escaped
from cluster.inspect.lines import identity, seconds, what
from cluster.inspect.log import Output
from cluster.inspect.words import in_words, kind_name
from cluster.recording.reader import Trace
from cluster.recording.stored import StoredRun
from protocol.identity import BOOT
from protocol.records import Entry

Identity = tuple[str, int]
DIGITS_MAX = 18
"""Of an event's number: no run has so many, and Python converts them."""


def parse_event(text: str) -> Identity:
    """An event's identity from ``sender:seq``. Raises InputError."""
    sender, colon, number = text.rpartition(":")
    digits = number.removeprefix("-")  # a second copy of a message has its number, negative
    if not (colon and sender and digits.isascii() and digits.isdigit() and len(digits) <= DIGITS_MAX):
        sentence = f"--cause: {text!r} is no event; an event is sender:seq, as in cpu.0:812"
        raise InputError(sentence, key="cause", found=text, allowed="sender:seq")
    return sender, int(number)


def chain(trace: Trace, event: Identity) -> Iterator[Entry]:
    """The entry of ``event``, then that of its cause, and so on, back to one that the boot caused or that the trace does not hold."""
    wanted = event
    for _, entries in trace.backwards():
        here = {(entry[0][4], entry[0][5]): entry for entry in entries}
        while (entry := here.pop(wanted, None)) is not None:
            yield entry
            wanted = (entry[0][6], entry[0][7])


def render_causes(run: StoredRun, out: TextIO, event: str, json: bool = False) -> int:
    """Write the chain of causes of ``event`` (``sender:seq``), newest first; returns the number of steps.

    Raises InputError if the run kept no trace or the event is not in it. A reader that closes the pipe ends it quietly.
    """
    wanted = parse_event(event)
    run.need_trace()
    output = Output(out)
    last: Entry | None = None
    for last in chain(run.trace, wanted):
        for text in _json_lines(last) if json else _lines(last):
            output.msg(text)
        if output.closed:
            break
    if last is None:
        losses = f" ({'; '.join(run.losses)})" if run.losses else ""
        sentence = f"{run.path}: no event {escaped(event)} in the trace{losses}"
        raise InputError(sentence, file=str(run.path), key="cause", found=event, allowed="sender:seq of an event of this run")
    if not json:
        output.msg(_end(last))
    output.flush()
    return output.lines


def _lines(entry: Entry) -> Iterator[str]:
    head, word, records = entry
    yield (
        f"{seconds(head[0])}  {escaped(head[3]):<16} {escaped(word)} from {escaped(head[4])}"
        f"  [{escaped(identity((head[4], head[5])))}] <- [{escaped(identity((head[6], head[7])))}]"
    )
    for record in records:
        yield f"{'':11}    {what(record)}"


def _end(entry: Entry) -> str:
    cause = (entry[0][6], entry[0][7])
    if cause[0] == BOOT:
        return f"the run's start  [{identity(cause)}]"
    return f"the trace does not hold the cause [{escaped(identity(cause))}]"


def _json_lines(entry: Entry) -> Iterator[str]:
    import msgspec

    head, word, records = entry
    step: dict[str, Any] = {
        "time_ns": head[0],
        "actor": head[3],
        "message": word,
        "id": identity((head[4], head[5])),
        "cause": identity((head[6], head[7])),
        "records": [{"kind": kind_name(record), "fields": in_words(record)} for record in records],
    }
    yield msgspec.json.encode(step).decode()
