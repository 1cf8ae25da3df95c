"""Text from recordings, scenarios and damaged files, made harmless for a terminal.

A recorded program chooses its own name, so it may hold escape sequences, line ends or marks that reverse the direction of writing. What
cannot be printed is shown as Python's escapes, and a backslash is doubled, so that no text can pretend to be another's escape.
"""

from __future__ import annotations


def escaped(text: str) -> str:
    """``text`` in one line of printable characters."""
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character == "\\":
        return "\\\\"
    return character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode("ascii")
