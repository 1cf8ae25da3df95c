"""The table of guards: complete for what homes ask, and per form."""

from __future__ import annotations

import pytest

from actors.home import Home
from actors.homes import free_queues, maps, objects, page_queues, pmaps, vnodes
from protocol.changes import CHANGES
from protocol.guards import FREE, NO_LOCK, PRIVATE, RESIDENT_GUARDS, guard_of, in_words, satisfied
from protocol.locks import CLASSES

HOMES: dict[str, type[Home]] = {
    "pq": page_queues.PageQueues,
    "fq": free_queues.FreeQueues,
    "object": objects.VmObject,
    "pmap": pmaps.Pmap,
    "map": maps.VmMap,
    "vnode": vnodes.Vnode,
}


def test_every_lock_of_a_guard_is_a_kind_of_lock():
    for fields in RESIDENT_GUARDS.values():
        for guard in fields.values():
            assert {kind for sets in (guard.write, guard.read) for kinds in sets for kind in kinds} <= set(CLASSES)


@pytest.mark.parametrize("kind", HOMES)
def test_every_field_that_a_home_asks_a_lock_for_is_in_the_table_and_needs_that_lock(kind):
    asked = {serving.field for serving in HOMES[kind].ops.values() if serving.field}
    assert asked
    for field in asked:
        guard = guard_of(kind, field)
        assert any(kind in kinds for kinds in guard.write), f"{kind}.{field} is asked for {kind}'s lock, which its guard does not name"


def test_a_private_page_needs_no_lock_and_a_free_one_the_free_queue_lock():
    assert guard_of("pq", "wire_count").write == (("pq",),)
    assert guard_of("pq", "wire_count", PRIVATE).write == NO_LOCK
    assert guard_of("pq", "wire_count", FREE).write == (("fq",),)


def test_c05_changes_the_guard_and_nothing_else():
    forms = {form: guard_of("object", "soft_busy", forms={"C05": form}) for form in ("pq", "both-asserted", "object")}
    assert [satisfied(guard.write, {"pq"}) for guard in forms.values()] == [True, False, False]
    assert [satisfied(guard.write, {"object"}) for guard in forms.values()] == [False, False, True]
    assert [satisfied(guard.read, {"pq"}) for guard in forms.values()] == [True, True, False]
    assert guard_of("object", "soft_busy") == forms["object"]
    assert in_words(forms["both-asserted"].write) == "object and pq"
    assert in_words(forms["both-asserted"].read) == "object or pq"
    assert in_words(NO_LOCK) == "no lock"


def test_wanted_is_under_both_locks_but_where_who_ends_an_io_has_the_page_queues_alone():
    """vm-facts 2.1: BUSY and WANTED are additionally the object's in 2006; a reader needs one of the two."""
    forms = [guard_of("pq", "wanted", forms={"C05": form}) for form in ("pq", "both-asserted", "object")]
    assert [satisfied(guard.write, {"pq"}) for guard in forms] == [True, False, False]
    assert all(satisfied(guard.write, {"object", "pq"}) and satisfied(guard.read, {"pq"}) for guard in forms)
    assert guard_of("pq", "wanted", FREE).write == (("fq",),)


def test_c14_old_asks_for_an_object():
    assert satisfied(guard_of("pmap", "page_table").write, {"pmap"})
    assert not satisfied(guard_of("pmap", "page_table", forms={"C14": "pte-object"}).write, {"pmap"})


def test_the_residual_hazards_change_no_guard():
    newest = {change.id: change.newest for change in CHANGES.values()}
    for forms in (newest, newest | {change.id: change.oldest for change in CHANGES.values() if change.hazard}):
        for kind, fields in RESIDENT_GUARDS.items():
            for field in fields:
                assert guard_of(kind, field, forms=forms) == guard_of(kind, field), field


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: guard_of("pq", "colour"), "pq: no field is called 'colour'; there are queue, flags"),
        (lambda: guard_of("cpu", "tlb"), "cpu: no field is called 'tlb'; there are none"),
        (
            lambda: guard_of("object", "soft_busy", forms={"C05": "new"}),
            "C05: no form is called 'new'; there are pq, both-asserted, object",
        ),
    ],
)
def test_what_does_not_exist_is_refused_with_a_sentence(call, sentence):
    with pytest.raises(KeyError, match=sentence):
        call()
