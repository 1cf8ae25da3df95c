"""``python -m cluster.promises``: the long form of the promises as a table that grows; what ``make promises`` runs.

Interrupted, it goes on where it was: see :mod:`~cluster.promises.progress`. Exit status: 0 all kept, 1 one was not, 2 bad input, 3 could
not be carried out, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cluster.errors import InputError, ShootdownError
from cluster.promises.long_form import HEADS, LongForm
from cluster.promises.progress import Progress, code_identity

WIDTHS = {
    "one digest": (24, 7, 7, 9, 5, 32, 7, 5),
    "replays": (27, 6, 7, 12, 36, 11),
    "silence": (24, 5, 19, 6),
    "checks": (29, 15, 11),
    "snapshots": (20, 4, 4, 2, 6, 6, 32, 5),
}
DIRECTORY = Path("runs") / "promises"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the long form; returns the exit status."""
    options = _options(argv)
    try:
        return _run(options)
    except ShootdownError as error:
        sys.stderr.write(f"promises: {error}\n")
        return error.status
    except KeyboardInterrupt:
        sys.stderr.write("promises: interrupted; the same command goes on from here\n")
        return 130


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m cluster.promises", description="The long form of the promises.")
    parser.add_argument("--directory", type=Path, default=DIRECTORY, help=f"where progress is kept (default {DIRECTORY})")
    parser.add_argument("--clean", action="store_true", help="begin anew")
    parser.add_argument(
        "--only", default="", metavar="PREFIX", help="pieces whose name begins so: digest/, replay/redis, silence/, snapshot/fork-cow/3"
    )
    return parser.parse_args(argv)


def _run(options: argparse.Namespace) -> int:
    progress = Progress(options.directory, code_identity(), clean=options.clean)
    if progress.stale:
        _write(f"{progress.stale} pieces in {options.directory} were shown by other code or configuration: they count for nothing here")
    form = LongForm(progress, options.only)
    section, broken, rows = "", 0, 0
    for row in form.rows():
        if row.section != section:
            section = row.section
            _write("", section, _line(section, HEADS[section]))
        _write(_line(section, row.cells))
        rows, broken = rows + 1, broken + (not row.kept)
    _write("", _verdict(form, rows, broken))
    return InputError.status if not form.wanted else 1 if broken else 0


def _verdict(form: LongForm, rows: int, broken: int) -> str:
    kept = f"{broken} of {rows} rows are NOT as promised" if broken else f"all {rows} rows are as promised"
    left = f"; {form.left_out} pieces were not asked for and not run" if form.left_out else "; nothing was left out"
    return kept + left if form.wanted else "no piece has a name that begins so"


def _line(section: str, cells: Sequence[str]) -> str:
    return "  " + "  ".join(cell.ljust(width) for cell, width in zip(cells, WIDTHS[section], strict=True)).rstrip()


def _write(*lines: str) -> None:
    """A row is shown when it is done, also through a pipe."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
