"""The entry point: commands registered by name, and every ending turned into the exit status and output that the contract promises.

Commands import what they need when they run, so that ``shootdown --help`` starts in a fraction of a second. One file per command; the
alternative, one module that imports everything, cost 0.9 s before the first line.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from cluster.cli import (
    bare,
    bench,
    check,
    check_run,
    demo,
    density,
    doctor,
    experiments,
    fork,
    init,
    listing,
    log,
    resume,
    run,
    schema,
    state,
    sweep,
    torture,
    verify,
)
from cluster.cli.output import BAD_INPUT, DONE, FAILED, INTERRUPTED, note, print_error, printable
from cluster.errors import InputError, RunError, ShootdownError

COMMANDS: dict[str, Callable[..., object]] = {
    "demo": demo.command,
    "run": run.command,
    "resume": resume.command,
    "fork": fork.command,
    "state": state.command,
    "verify": verify.command,
    "experiments": experiments.command,
    "density": density.command,
    "sweep": sweep.command,
    "torture": torture.command,
    "log": log.command,
    "check-run": check_run.command,
    "list": listing.command,
    "init": init.command,
    "check": check.command,
    "schema": schema.command,
    "doctor": doctor.command,
    "bench": bench.command,
}

app = typer.Typer(
    name="shootdown",
    help="A deterministic, distributed laboratory for the locking and TLB-shootdown protocols of a kernel's virtual-memory system.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
for _name, _command in COMMANDS.items():
    app.command(_name)(_command)


@app.callback(invoke_without_command=True)
def root(context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """A deterministic, distributed laboratory for the locking and TLB-shootdown protocols of a kernel's virtual-memory system."""
    if version:
        bare.print_version()
    elif context.invoked_subcommand is None:
        bare.command()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status. Nothing but a defect of this program escapes as an exception."""
    _open_closed_streams()
    arguments = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in arguments
    try:
        status = _dispatch(arguments)
        sys.stdout.flush()
    except ShootdownError as error:
        return _failed(error, as_json)
    except KeyboardInterrupt:
        from cluster.cli.making import InterruptedRunError

        return _failed(InterruptedRunError("interrupted by Ctrl-C"), as_json)
    except BrokenPipeError:
        return _pipe_closed()
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EMFILE):
            raise
        place = f"{error.filename}: " if error.filename else ""
        return _failed(RunError(f"{place}{error.strerror}", file=error.filename, found=error.strerror), as_json)
    return status


def _open_closed_streams() -> None:
    """Whoever started us may have closed stdout or stderr; Python then has none, and what is written goes nowhere."""
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115 - open until the process ends
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115


def _dispatch(arguments: list[str]) -> int:
    try:
        status = app(arguments, prog_name="shootdown", standalone_mode=False)
    except TyperException as error:
        raise usage_error(error, arguments) from None
    except SystemExit as leaving:
        if isinstance(leaving.__context__, BrokenPipeError):  # typer catches it, and would have us end as if it were an error
            raise leaving.__context__ from None
        raise
    if status == INTERRUPTED:  # what typer makes of a KeyboardInterrupt
        raise KeyboardInterrupt
    return status if isinstance(status, int) else DONE


def usage_error(error: TyperException, arguments: Sequence[str]) -> InputError:
    """typer's complaint about the command line as one of ours."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "shootdown"
    text = error.format_message() if hasattr(error, "format_message") else str(error)
    options = getattr(getattr(error, "param", None), "opts", None) or [getattr(error, "option_name", None)]
    found = _value_given(options, arguments)
    sentence = f"{text.rstrip('.')}{f'; found {found}' if found is not None else ''} (see `{path} --help`)"
    return InputError(sentence, key=options[0], found=found or text, allowed=f"what `{path} --help` lists")


def _value_given(options: Sequence[str | None], arguments: Sequence[str]) -> str | None:
    """What stands after one of ``options`` on the command line: typer's sentences leave it out."""
    for number, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name in options:
            return value if equals else arguments[number + 1] if number + 1 < len(arguments) else None
    return None


def _failed(error: ShootdownError, as_json: bool) -> int:
    try:
        print_error(error, as_json)
        sys.stdout.flush()
    except BrokenPipeError:
        _pipe_closed()
    except OSError:
        _pipe_closed()
        note(f"shootdown: {printable(error)}")
    assert error.status in (BAD_INPUT, FAILED, INTERRUPTED), error
    return error.status


def _pipe_closed() -> int:
    """Whoever read us has had enough. stdout goes to nowhere, so that the interpreter's own last flush does not complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return DONE


if __name__ == "__main__":
    sys.exit(main())
