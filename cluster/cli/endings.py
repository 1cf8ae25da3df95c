"""Every ending of a command turned into the exit status and the output that the contract promises."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence

from cluster.cli.output import BAD_INPUT, DONE, FAILED, INTERRUPTED, note, print_error, printable, to_nowhere
from cluster.errors import RunError, ShootdownError


def ended(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit status. Nothing but Ctrl-C and a defect of this program escapes as an exception."""
    as_json = "--json" in arguments
    try:
        from cluster.cli.commands import dispatch

        status = dispatch(arguments)
        sys.stdout.flush()
    except ShootdownError as error:
        return _failed(error, as_json)
    except BrokenPipeError:  # whoever read us has had enough
        to_nowhere(sys.stdout)
        return DONE
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EMFILE):
            raise
        place = f"{error.filename}: " if error.filename else ""
        return _failed(RunError(f"{place}{error.strerror}", file=error.filename, found=error.strerror), as_json)
    return status


def interrupted(as_json: bool) -> int:
    """The same of a command that Ctrl-C has ended."""
    from cluster.cli.making import InterruptedRunError

    return _failed(InterruptedRunError("interrupted by Ctrl-C"), as_json)


def _failed(error: ShootdownError, as_json: bool) -> int:
    try:
        print_error(error, as_json)
        sys.stdout.flush()
    except BrokenPipeError:
        to_nowhere(sys.stdout)
    except OSError:
        to_nowhere(sys.stdout)
        note(f"shootdown: {printable(error)}")
    assert error.status in (BAD_INPUT, FAILED, INTERRUPTED), error
    return error.status
