"""The operational log: what the processes of a run do (started, connected, closed, failed), as opposed to what the modelled machine did.

One line of JSON per message in ``log.jsonl``, written by all processes of the run with one append each, and, where a person looks on, a
terse line on stderr. Wall-clock times stand here and nowhere else. structlog costs 0.15 s to import, so it is loaded when a log is
opened, and a worker that logs nothing never pays for it. A log that cannot be written does not end a run: lines are counted as lost
instead.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any, TextIO

from cluster.inspect.escape import escaped

LEVELS = ("debug", "info", "warning", "error")
_VALUES = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class LogFile:
    """Appends lines to a file that other processes append to as well. ``lost``: lines that could not be written."""

    def __init__(self, path: Path | None) -> None:
        self.lost = 0
        self._file = -1
        if path is not None:
            try:
                self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            except OSError:
                self.lost = 1

    def line(self, text: str) -> None:
        """Append one line."""
        if self._file < 0:
            return
        data = text.encode("utf-8", "backslashreplace") + b"\n"
        try:
            whole = os.write(self._file, data) == len(data)
        except OSError:
            whole = False
        self.lost += not whole

    def close(self) -> None:
        """No more lines."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class OperationalLog:
    """A log of one process: ``info("worker started", rank=1)``; every line carries the process' role (``parent``, ``worker 1``)."""

    def __init__(self, path: Path | None, role: str, console: TextIO | None = None, console_level: str = "warning") -> None:
        """Open the log. ``path`` None keeps no file; ``console`` (usually sys.stderr) gets the messages from ``console_level`` on."""
        import structlog

        self.file = LogFile(path)
        self._console, self._console_level = console, _VALUES[console_level]
        self._logger = structlog.wrap_logger(
            _Nowhere(),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
                self._to_console,
                structlog.processors.JSONRenderer(),
                self._to_file,
            ],
            wrapper_class=structlog.BoundLogger,
            role=role,
        )

    def debug(self, message: str, **facts: object) -> None:
        """For those who look for a fault in shootdown itself."""
        self._logger.debug(message, **facts)

    def info(self, message: str, **facts: object) -> None:
        """The ordinary course of things."""
        self._logger.info(message, **facts)

    def warning(self, message: str, **facts: object) -> None:
        """Something a person should look at; the run goes on."""
        self._logger.warning(message, **facts)

    def error(self, message: str, **facts: object) -> None:
        """Something that ends the run."""
        self._logger.error(message, **facts)

    def close(self) -> None:
        """No more messages go to the file."""
        self.file.close()

    def _to_console(self, logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if self._console is not None and _VALUES[event["level"]] >= self._console_level:
            try:
                self._console.write(console_line(event) + "\n")
                self._console.flush()
            except (OSError, ValueError):
                self._console = None
        return event

    def _to_file(self, logger: object, method: str, line: Any) -> Any:
        self.file.line(line)
        return line


class _Nowhere:
    """structlog's last station: everything was written by the processors."""

    def msg(self, line: str) -> None:
        """Take a finished line."""

    debug = info = warning = error = msg


def console_line(event: Mapping[str, Any]) -> str:
    """A message as one terse line: ``warning parent: worker died  rank=1 status=9``. Nothing in it can move the cursor."""
    facts = " ".join(f"{key}={escaped(str(value))}" for key, value in event.items() if key not in ("event", "level", "at", "role"))
    return f"{event['level']} {escaped(str(event['role']))}: {escaped(str(event['event']))}" + (f"  {facts}" if facts else "")


def open_log(path: Path | None, role: str, console: bool = True, verbose: bool = False) -> OperationalLog:
    """The operational log of this process: to ``path`` if given, and to stderr from warning on (from info on if ``verbose``)."""
    return OperationalLog(path, role, sys.stderr if console else None, "info" if verbose else "warning")
