"""``shootdown log RUN``: a stored run's records rendered through structlog, for people or as lines of JSON.

Each record becomes one structlog event that passes one renderer, so the two forms cannot drift apart in what they show. The trace is read
one slice at a time and nothing else is kept but the state of threads. Rendering while the machine runs was rejected as the default: it
costs ten times what recording costs (design 6).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, TextIO

from cluster.inspect.escape import escaped
from cluster.inspect.lines import identity, line
from cluster.inspect.select import Selection
from cluster.inspect.threads import Threads
from cluster.inspect.words import UNKNOWN, in_words, kind_name
from cluster.recording.stored import StoredRun
from protocol.identity import kind_of
from protocol.records import Entry, Record

Event = dict[str, Any]
"""A record on its way through structlog: kind (as ``event``), head and message of its entry, thread, own, depth, position, record."""


class Output:
    """structlog's last station: lines go to ``out``. ``closed`` is true once its reader has gone away, which is no error."""

    def __init__(self, out: TextIO) -> None:
        self.out, self.closed, self.lines = out, False, 0

    def msg(self, text: str) -> None:
        """Write a line."""
        if self.closed:
            return
        try:
            self.out.write(text + "\n")
            self.lines += 1
        except BrokenPipeError:
            self._gone()

    def flush(self) -> None:
        """Hand on what is buffered."""
        try:
            if not self.closed:
                self.out.flush()
        except BrokenPipeError:
            self._gone()

    def _gone(self) -> None:
        """The reader has what it wanted. Python's own flush at exit must not find the broken pipe again."""
        self.closed = True
        if self.out is sys.stdout:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.out.fileno())
            os.close(nowhere)


def renderer(output: Output, json: bool) -> Any:
    """A structlog logger whose ``msg(kind, **facts)`` writes one record."""
    import structlog

    last = [structlog.processors.JSONRenderer()] if json else []
    return structlog.wrap_logger(
        output,
        processors=[_json_event if json else _console_line, *last],
        wrapper_class=structlog.BoundLogger,
    ).bind()


def render_log(run: StoredRun, out: TextIO, selection: Selection | None = None, json: bool = False, limit: int = 0) -> int:
    """Write the selected records (the first ``limit`` of them, 0: all) to ``out`` in key order; returns how many lines were written.

    Raises InputError if the run kept no trace. A reader that closes the pipe ends the log quietly.
    """
    selection = selection or Selection()
    run.need_trace()
    output = Output(out)
    log = renderer(output, json)
    for event in selected(run, selection):
        log.msg(event.pop("event"), **event)
        if output.closed or output.lines == limit:
            break
    output.flush()
    return output.lines


def selected(run: StoredRun, selection: Selection) -> Iterator[Event]:
    """The selected records as structlog events. CPUs are read in any case: they say which thread runs and what it holds."""
    threads = Threads()
    actor = selection.actor
    wanted = None if actor is None else lambda name: kind_of(name) == "cpu" or actor(name)
    for batch in run.trace.entries(selection.from_ns, selection.until_ns, wanted):
        for entry in batch:
            yield from events_of(entry, threads, selection)


def events_of(entry: Entry, threads: Threads, selection: Selection) -> Iterator[Event]:
    """An entry's selected records, ``threads`` going along."""
    head, word, records = entry
    actor = head[3]
    threads.event(head)
    for position, record in enumerate(records):
        kind = kind_name(record)
        known = kind != UNKNOWN
        thread, own = threads.thread_of(head, record) if known else (None, False)
        if known:
            threads.before(record)
        if selection.takes(actor, record, thread):
            yield {
                "event": kind,
                "head": head,
                "message": word,
                "thread": thread,
                "own": own,
                "depth": threads.depth(thread),
                "position": position,
                "record": record,
            }
        if known:
            threads.after(actor, record)


def _console_line(logger: object, method: str, event: Mapping[str, Any]) -> str:
    return line(event)


def _json_event(logger: object, method: str, event: MutableMapping[str, Any]) -> Event:
    record: Record = event["record"]
    head = event["head"]
    fields = {name: _json_value(value) for name, value in in_words(record).items()}
    return {
        "time_ns": head[0],
        "actor": escaped(head[3]),
        "kind": event["event"],
        "thread": event["thread"],
        "id": escaped(identity(head[4:6])),
        "cause": escaped(identity(head[6:8])),
        "message": escaped(event["message"]),
        "position": event["position"],
        "fields": fields,
    }


def _json_value(value: object) -> object:
    if isinstance(value, list):
        return [_json_value(item) for item in value]
    return escaped(value) if isinstance(value, str) else value
