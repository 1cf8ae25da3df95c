"""Tables with parameters: holes, each, only, group; what cannot be expanded says where and why."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.experiments.templates import TABLES_MAX, TemplateError, expanded

NAMES = {"pages": 3, "cpus": 2}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${pages}", 3), ("${pages > 1}", True), ("${pages == 1}", False), ("${not pages}", False), ("${pages * cpus - 1}", 5),
        ("page${pages}", "page3"), ("${pages}:${cpus}", "3:2"), ("${pages > 1}x", "1x"), ("plain", "plain"), ("", ""), ("$pages", "$pages"),
    ],
)  # fmt: skip
def test_holes(text, value):
    found = expanded(text, NAMES)
    assert (found, type(found)) == (value, type(value))


def test_holes_are_filled_wherever_they_stand():
    raw = {"machine": {"cpus": "${cpus}", "deep": [["${pages}"]]}, "flag": True, "number": 7}
    assert expanded(raw, NAMES) == {"machine": {"cpus": 2, "deep": [[3]]}, "flag": True, "number": 7}


def test_each_repeats_a_table_with_its_number():
    assert expanded([{"each": {"i": "pages"}, "vpn": "${16 + i}"}], NAMES) == [{"vpn": 16}, {"vpn": 17}, {"vpn": 18}]
    assert expanded([{"each": {"i": 0}, "vpn": 1}, {"vpn": 2}], NAMES) == [{"vpn": 2}]


def test_several_names_nest_and_the_last_varies_fastest():
    found = expanded([{"each": {"i": "cpus", "j": "i + 1"}, "at": "${i}.${j}"}], NAMES)
    assert [table["at"] for table in found] == ["0.0", "1.0", "1.1"]


def test_only_leaves_out_and_knows_the_number():
    assert expanded([{"only": "pages > 3", "a": 1}, {"only": "cpus", "b": 2}, {"only": 0, "c": 3}], NAMES) == [{"b": 2}]
    assert expanded([{"each": {"i": 4}, "only": "i % 2", "i": "${i}"}], NAMES) == [{"i": 1}, {"i": 3}]


def test_a_group_stands_for_several_in_their_order():
    group = [{"do": "think"}, {"only": "i", "do": "access", "vpn": "${i}"}]
    found = expanded([{"each": {"i": 2}, "group": group}, {"do": "exit"}], NAMES)
    assert found == [{"do": "think"}, {"do": "think"}, {"do": "access", "vpn": 1}, {"do": "exit"}]
    assert expanded([{"only": "0", "group": group}], NAMES) == []


def test_a_number_shadows_a_parameter_inside_its_table_only():
    assert expanded([{"each": {"pages": 1}, "n": "${pages}"}, {"n": "${pages}"}], NAMES) == [{"n": 0}, {"n": 3}]


def test_outside_of_a_list_each_is_a_key_like_others():
    assert expanded({"each": {"i": "${cpus}"}}, NAMES) == {"each": {"i": 2}}


def test_what_was_given_is_not_changed():
    raw = [{"each": {"i": "pages"}, "vpn": "${i}"}]
    expanded(raw, NAMES)
    assert raw == [{"each": {"i": "pages"}, "vpn": "${i}"}]


@pytest.mark.parametrize(
    ("raw", "key", "found", "words"),
    [
        ({"a": {"b": "${nope}"}}, "work.a.b", "nope", "no name 'nope'"),
        ([{"vpn": "${1 +}"}], "work[0].vpn", "1 +", "not an expression"),
        ([{}, {"each": {"i": "nope"}}], "work[1].each.i", "nope", "no name 'nope'"),
        ([{"each": "pages", "a": 1}], "work[0].each", "pages", "a table of names and counts"),
        ([{"each": {"i": TABLES_MAX + 1}}], "work[0].each", TABLES_MAX + 1, "at most 100000 tables"),
        ([{"each": {"i": 400, "j": 400}}], "work", 160_000, "at most 100000 tables"),
        ([{"only": "pages <"}], "work[0].only", "pages <", "not an expression"),
        ([{"group": [], "do": "think"}], "work[0].group", ["do", "group"], "nothing else"),
        ([{"group": {}}], "work[0].group", ["group"], "a list of tables"),
        ([{"group": [{"a": "${nope}"}]}], "work[0].group[0].a", "nope", "no name 'nope'"),
    ],
)
def test_what_cannot_be_expanded_says_where_and_why(raw, key, found, words):
    with pytest.raises(TemplateError) as raised:
        expanded(raw, NAMES, "work")
    error = raised.value
    assert (error.key, error.found) == (key, found)
    assert words in f"{error} {error.allowed}"


PLAIN = st.recursive(
    st.integers() | st.booleans() | st.text(st.characters(exclude_characters="$")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3),
    max_leaves=12,
)


@given(PLAIN)
def test_what_has_no_holes_stays_as_it_is(value):
    assert expanded(value, NAMES) == value


@given(st.integers(0, 12), st.integers(0, 12))
def test_as_many_tables_as_each_says(many, times):
    found = expanded([{"each": {"i": "many", "j": "times"}, "n": "${i * times + j}"}], {"many": many, "times": times})
    assert [table["n"] for table in found] == list(range(many * times))
