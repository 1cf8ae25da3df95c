"""Integer expressions: Python's own meaning for what is allowed, one sentence for what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.experiments.expressions import LENGTH_MAX, VALUE_MAX, ExpressionError, evaluate, is_truth

NAMES = {"pages": 3, "cpus": 4, "zero": 0}
BINARY = ("+", "-", "*", "//", "%", "==", "!=", "<", "<=", ">", ">=")


@st.composite
def expressions(draw, depth=3):
    """A text that is an expression, with brackets wherever two parts meet."""
    if depth == 0 or draw(st.booleans()):
        return str(draw(st.sampled_from([*NAMES, *range(20)])))
    left, right = draw(expressions(depth=depth - 1)), draw(expressions(depth=depth - 1))
    form = draw(st.sampled_from([*BINARY, "-", "not", "if", "min", "max", "abs"]))
    if form in ("min", "max"):
        return f"{form}({left}, {right})"
    if form == "abs":
        return f"abs({left})"
    if form == "if":
        return f"({left} if {right} else {left})"
    if form in ("not", "-") and (form == "not" or draw(st.booleans())):
        return f"({form} {left})"
    return f"({left} {form} {right})"


@given(expressions())
def test_an_expression_means_what_python_says(text):
    try:
        wanted = int(eval(text, {"__builtins__": {"min": min, "max": max, "abs": abs}}, NAMES))  # a text made above
    except ZeroDivisionError:
        with pytest.raises(ExpressionError, match="division by zero"):
            evaluate(text, NAMES)
        return
    if abs(wanted) < VALUE_MAX:
        assert evaluate(text, NAMES) == wanted
    else:
        with pytest.raises(ExpressionError, match="2\\^63"):
            evaluate(text, NAMES)


@given(st.text(max_size=40))
def test_any_text_has_a_value_or_a_reason(text):
    try:
        found = evaluate(text, NAMES)
    except ExpressionError as error:
        found = str(error)
    assert isinstance(found, int) or found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("pages * (cpus - 1)", 9), ("2 and 3", 1), ("0 or zero", 0), ("pages or cpus", 1), ("1 < pages < cpus", 1), ("1 < pages < 2", 0),
        ("-7 // 2", -4), ("-7 % 4", 1), ("True", 1), ("not zero", 1), ("0x10 + 1_000", 1016), ("max(pages)", 3),
        ("pages if zero else cpus", 4), ("zero and 1 // zero", 0), ("cpus or 1 // zero", 1), ("1 if cpus else 1 // zero", 1),
    ],
)  # fmt: skip
def test_values(text, value):
    assert evaluate(text, NAMES) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not an expression"), ("pages +", "not an expression"), ("a = 1", "not an expression"), ("\0", "not an expression"),
        ("page", "no name 'page' here; there are cpus, pages, zero"), ("1.5", "'1.5' may not stand"), ("'x'", "may not stand"),
        ("pages ** 2", "may not stand"), ("pages / 2", "may not stand"), ("1 << 70", "may not stand"), ("pages.real", "may not stand"),
        ("[1][0]", "may not stand"), ("(lambda: 1)()", "may not stand"), ("__import__('os')", "may not stand"), ("min()", "may not stand"),
        ("min(1, key=2)", "may not stand"), ("abs(1, 2)", "abs takes one argument"), ("sum(1, 2)", "may not stand"),
        ("pages is 3", "may not stand"), ("1 // zero", "a division by zero"), ("1 % zero", "a division by zero"),
        ("9223372036854775808", "2^63"), ("9" * 60 + " * " + "9" * 60, "2^63"), ("1" * (LENGTH_MAX + 1), "longer than 500 characters"),
        ("(" * 300 + "1" + ")" * 199, "not an expression"),
    ],
)  # fmt: skip
def test_reasons(text, reason):
    with pytest.raises(ExpressionError) as raised:
        evaluate(text, NAMES)
    assert reason in str(raised.value)


def test_nothing_named_is_said():
    with pytest.raises(ExpressionError, match="there are none"):
        evaluate("pages", {})


@pytest.mark.parametrize(
    ("text", "truth"), [("i > 0", True), ("i and j", True), ("not i", True), ("i", False), ("i + 1", False), ("-i", False)]
)
def test_what_is_a_truth_value(text, truth):
    assert is_truth(text) == truth
