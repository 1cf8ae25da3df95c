"""Integer expressions in experiment files: ``(cpus - 1) * pt_pages``, ``min(k, 31)``, ``i % 2 == 0``.

Python's own parser and a whitelist of its nodes: the syntax everybody knows, without its powers. ``eval`` was rejected for what it can
reach, and floats because no figure of a protocol is one.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

LENGTH_MAX = 500
VALUE_MAX = 1 << 63
ALLOWED = "integers and names with + - * // %, comparisons, and, or, not, x if y else z, min(), max(), abs()"
"""What an expression may consist of, for whoever wrote another."""

_BINARY: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARE: dict[type[ast.cmpop], Callable[[int, int], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_FUNCTIONS: dict[str, Callable[..., int]] = {"min": min, "max": max, "abs": abs}


class ExpressionError(ValueError):
    """An expression that is none, or has no value; the message says why."""


def evaluate(text: str, names: Mapping[str, int]) -> int:
    """The value of an expression over ``names``; truth is 1 or 0. Raises ExpressionError."""
    if len(text) > LENGTH_MAX:
        raise ExpressionError(f"longer than {LENGTH_MAX} characters")
    value = _value(_parsed(text), names)
    if not -VALUE_MAX < value < VALUE_MAX:
        raise ExpressionError("a value beyond 2^63")
    return value


def is_truth(text: str) -> bool:
    """Is the expression a comparison, or made of some: a truth value and no number? It has been evaluated."""
    node = _parsed(text)
    return isinstance(node, ast.Compare | ast.BoolOp) or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not))


@lru_cache(maxsize=4096)
def _parsed(text: str) -> ast.expr:
    """The tree of an expression, which nobody changes: a table that is repeated a hundred times is parsed once. Raises ExpressionError."""
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ExpressionError("not an expression") from None


def _value(node: ast.expr, names: Mapping[str, int]) -> int:
    match node:
        case ast.Constant(value=bool() | int() as value):
            return int(value)
        case ast.Name(id=name):
            if name not in names:
                raise ExpressionError(f"no name {name!r} here; there are {', '.join(sorted(names)) or 'none'}")
            return int(names[name])
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _binary(op, _value(left, names), _value(right, names))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, names)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return int(not _value(operand, names))
        case ast.BoolOp(op=op, values=values):
            found = (_value(value, names) for value in values)
            return int(all(found) if isinstance(op, ast.And) else any(found))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return _value(body if _value(test, names) else orelse, names)
        case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in _COMPARE for op in ops):
            return _compare(_value(left, names), ops, [_value(other, names) for other in others])
        case ast.Call(func=ast.Name(id=name), args=[_, *_] as arguments, keywords=[]) if name in _FUNCTIONS:
            return _call(name, [_value(argument, names) for argument in arguments])
    raise ExpressionError(f"{ast.unparse(node)!r} may not stand in an expression")


def _binary(op: ast.operator, left: int, right: int) -> int:
    if isinstance(op, ast.FloorDiv | ast.Mod) and right == 0:
        raise ExpressionError("a division by zero")
    if isinstance(op, ast.Mult) and left.bit_length() + right.bit_length() > 128:
        raise ExpressionError("a value beyond 2^63")
    return _BINARY[type(op)](left, right)


def _compare(left: int, ops: list[ast.cmpop], others: list[int]) -> int:
    values: list[Any] = [left, *others]
    return int(all(_COMPARE[type(op)](one, other) for op, one, other in zip(ops, values, others)))


def _call(name: str, arguments: list[int]) -> int:
    if name == "abs" and len(arguments) != 1:
        raise ExpressionError("abs takes one argument")
    return int(_FUNCTIONS[name](*arguments) if len(arguments) > 1 or name == "abs" else arguments[0])
