"""The entry point. Nothing is loaded before Ctrl-C can be answered: who types it a tenth of a second after the command is still in the
imports, and shall not see where.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes time to load, too
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status. Nothing but a defect of this program escapes as an exception."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        _open_closed_streams()
        from cluster.cli.endings import ended

        return ended(arguments)
    except KeyboardInterrupt:
        from cluster.cli.endings import interrupted

        return interrupted("--json" in arguments)


def _open_closed_streams() -> None:
    """Whoever started us may have closed stdout or stderr; Python then has none, and what is written goes nowhere."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: PTH123, SIM115 - pathlib takes time to load; open until the process ends
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: PTH123, SIM115


if __name__ == "__main__":
    sys.exit(main())
