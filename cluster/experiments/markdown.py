"""Text of ours and of experiment files in Markdown: nothing in it means anything there, and what we name is linked."""

from __future__ import annotations

import re

CHECKS = "../checks.md"
"""The page of the checks, from a page of the catalogue."""
_CHECK = re.compile(r"I(?:-[A-Z]+)+")


def escape(text: str) -> str:
    """Text that Markdown shows as it is, in a cell of a table too."""
    return "".join(f"\\{letter}" if letter in "\\|*" else {"<": "&lt;", ">": "&gt;"}.get(letter, letter) for letter in text)


def linked(name: str) -> str:
    """The name of a check with a link to what is said of it; what is no check's, as a panic of the kernel, as it is."""
    return f"[{name}]({CHECKS}#{name.lower()})" if _CHECK.fullmatch(name) else name
