"""``shootdown init FILE``: a commented scenario to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cluster.cli.options import Json
from cluster.cli.output import print_json, say

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The file to write; it must not exist.", show_default=False)]


def command(file: FileArgument, as_json: Json = False) -> None:
    """Write a commented scenario to FILE."""
    from cluster.errors import InputError, RunError
    from cluster.scenario.places import configs

    text = (configs() / "init.toml").read_text(encoding="utf-8")
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        sentence = f"{file}: found something there already, allowed: a file that does not exist"
        raise InputError(sentence, file=str(file), found="something there already", allowed="a file that does not exist") from None
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        sentence = f"{file}: found no directory {file.parent}, allowed: a file in a directory that exists"
        raise InputError(sentence, file=str(file), found="no directory", allowed="a directory that exists") from None
    except OSError as error:
        file.unlink(missing_ok=True)
        raise RunError(f"{file}: {error.strerror}", file=str(file), found=error.strerror) from None
    if as_json:
        print_json({"written": str(file)})
    else:
        say(f"wrote {file}; next: shootdown check {file}, shootdown run {file}")
