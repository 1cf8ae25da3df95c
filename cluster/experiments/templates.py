"""Tables with parameters: ``each`` repeats a table, ``only`` leaves it out, ``group`` stands for several, ``${...}`` is filled in.

::

    steps = [
        { do = "mmap", vpn = 0x100, pages = "${pages}" },
        { each = { i = "pages" }, do = "access", vpn = "${0x100 + i}", write = "${i > 0}", name = "fill${i}" },
        { only = "pages > 1", do = "munmap", vpn = 0x100 },
        { each = { i = "2" }, group = [{ do = "think", for_ns = 100 }, { do = "access", vpn = "${0x100 + i}" }] },
    ]

A text that is one hole is an integer, or a truth value if it compares; other holes are filled in as text. ``each = { i = "pages" }`` makes
one table for every i from 0 to pages - 1; several names nest, the last one varying fastest. Everything is expanded before the scenario is
read, so that the scenario's own checks see plain tables. A template language of its own was rejected: a few keys and one notation are all
that scripts of a parametrised size need.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cluster.experiments.expressions import ALLOWED, ExpressionError, evaluate, is_truth

EACH, ONLY, GROUP = "each", "only", "group"
TABLES_MAX = 100_000
_HOLE = re.compile(r"\$\{([^}]*)\}")


class TemplateError(ValueError):
    """A template that cannot be expanded: ``key`` is where, ``found`` what stands there, ``allowed`` what may, the message why not."""

    def __init__(self, key: str, found: object, allowed: str, why: str = "") -> None:
        super().__init__(why)
        self.key, self.found, self.allowed = key, found, allowed


def expanded(value: Any, names: Mapping[str, int], key: str = "") -> Any:
    """``value`` with every hole filled and every ``each`` and ``only`` carried out. Raises TemplateError."""
    if isinstance(value, str):
        return _text(value, names, key)
    if isinstance(value, Mapping):
        return {name: expanded(item, names, f"{key}.{name}" if key else name) for name, item in value.items()}
    if isinstance(value, list):
        items: list[Any] = []
        for index, item in enumerate(value):
            items += _items(item, names, f"{key}[{index}]")
            if len(items) > TABLES_MAX:
                raise TemplateError(key, len(items), f"at most {TABLES_MAX} tables")
        return items
    return value


def _items(item: Any, names: Mapping[str, int], key: str) -> list[Any]:
    """What one item of a list becomes: one, several or none."""
    if not isinstance(item, Mapping) or not {EACH, ONLY, GROUP} & set(item):
        return [expanded(item, names, key)]
    rest = {name: value for name, value in item.items() if name not in (EACH, ONLY)}
    found = []
    for bound in _bindings(item.get(EACH, {}), names, f"{key}.{EACH}"):
        if ONLY not in item or _evaluated(item[ONLY], bound, f"{key}.{ONLY}"):
            found += _group(rest, bound, key) if GROUP in rest else [expanded(rest, bound, key)]
    return found


def _group(rest: Mapping[str, Any], names: Mapping[str, int], key: str) -> list[Any]:
    """The tables of a group, in their order."""
    if set(rest) != {GROUP} or not isinstance(rest[GROUP], list):
        raise TemplateError(f"{key}.{GROUP}", sorted(rest), "a list of tables, with each and only beside it and nothing else")
    items: list[Any] = expanded(rest[GROUP], names, f"{key}.{GROUP}")
    return items


def _bindings(each: Any, names: Mapping[str, int], key: str) -> Iterator[Mapping[str, int]]:
    if not isinstance(each, Mapping):
        raise TemplateError(key, each, "a table of names and counts")
    if not each:
        yield names
        return
    (name, count), *others = each.items()
    number = _evaluated(count, names, f"{key}.{name}")
    if number > TABLES_MAX:
        raise TemplateError(key, number, f"at most {TABLES_MAX} tables")
    for index in range(number):
        yield from _bindings(dict(others), {**names, name: index}, key)


def _evaluated(text: Any, names: Mapping[str, int], key: str) -> int:
    if isinstance(text, int):
        return int(text)
    try:
        return evaluate(str(text), names)
    except ExpressionError as error:
        raise TemplateError(key, text, ALLOWED, str(error)) from None


def _text(text: str, names: Mapping[str, int], key: str) -> Any:
    whole = _HOLE.fullmatch(text)
    if whole:
        value = _evaluated(whole[1], names, key)
        return bool(value) if is_truth(whole[1]) else value
    return _HOLE.sub(lambda hole: str(_evaluated(hole[1], names, key)), text)
