"""The commands by name, and what typer makes of a command line.

Commands import what they need when they run, so that ``shootdown --help`` starts in a fraction of a second. One file per command; the
alternative, one module that imports everything, cost 0.9 s before the first line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

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
from cluster.cli.output import DONE, INTERRUPTED
from cluster.errors import InputError

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


def dispatch(arguments: Sequence[str]) -> int:
    """Run the command that the arguments name; its exit status. Raises ShootdownError, and KeyboardInterrupt after Ctrl-C."""
    try:
        status = app(list(arguments), prog_name="shootdown", standalone_mode=False)
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
    context, parameter = getattr(error, "ctx", None), getattr(error, "param", None)
    path = context.command_path if context is not None else "shootdown"
    text = error.format_message() if hasattr(error, "format_message") else str(error)
    options = getattr(parameter, "opts", None) or [getattr(error, "option_name", None)]
    found = _value_given(options, arguments)
    if found is not None and (allowed := _integers(parameter)):
        return InputError(f"{options[0]}: found {found!r}, allowed: {allowed}", key=options[0], found=found, allowed=allowed)
    sentence = f"{text.rstrip('.')}{f'; found {found}' if found is not None else ''} (see `{path} --help`)"
    return InputError(sentence, key=options[0], found=found or text, allowed=f"what `{path} --help` lists")


def _integers(parameter: Any) -> str:
    """Which integers an option takes, in words; "" for one that takes something else. typer's words leave the range out."""
    wanted = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    if wanted is not int and wanted != int | None:
        return ""
    least, most = parameter.min, parameter.max
    return "an integer" + (f" from {least} to {most}" if most is not None else f" of {least} or more" if least is not None else "")


def _value_given(options: Sequence[str | None], arguments: Sequence[str]) -> str | None:
    """What stands after one of ``options`` on the command line: typer's sentences leave it out."""
    for number, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name in options:
            return value if equals else arguments[number + 1] if number + 1 < len(arguments) else None
    return None
