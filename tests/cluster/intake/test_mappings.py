from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cluster.intake.mappings import BLOCK_PAGES, Mapping, MappingTable

RANGES = st.tuples(st.integers(0, 1200), st.integers(1, 300)).map(lambda pair: (pair[0], pair[0] + pair[1]))
STEPS = st.lists(st.tuples(st.sampled_from(["add", "file", "cut", "protect"]), RANGES), max_size=25)


def played(steps):
    """The table, and the same as a dictionary of pages."""
    table, pages = MappingTable(), {}
    for number, (word, (start, end)) in enumerate(steps):
        if word in ("add", "file"):
            file = number if word == "file" else -1
            table.add(Mapping(start, end, 3, file, 10))
            pages.update({page: (3, file, 10 + (page - start if file >= 0 else 0)) for page in range(start, end)})
        elif word == "cut":
            cut = table.cut(start, end)
            assert [(p, m.file) for m in cut for p in range(m.start, m.end)] == [
                (p, pages.pop(p)[1]) for p in range(start, end) if p in pages
            ]
        else:
            table.protect(start, end, 1)
            pages.update({page: (1, *pages[page][1:]) for page in range(start, end) if page in pages})
    return table, pages


@given(STEPS)
def test_the_table_is_a_dictionary_of_pages(steps):
    table, pages = played(steps)
    for page in range(0, 1600, 7):
        found = table.find(page)
        assert (found is None) == (page not in pages)
        if found is not None:
            offset = found.offset + (page - found.start if found.file >= 0 else 0)
            assert (found.prot, found.file, offset) == pages[page]
    every = table.all()
    assert all(one.end <= other.start for one, other in pairwise(every))


@given(STEPS, RANGES)
def test_holes_are_what_is_not_mapped(steps, wanted):
    table, pages = played(steps)
    start, end = wanted
    assert [p for low, high in table.holes(start, end) for p in range(low, high)] == [p for p in range(start, end) if p not in pages]


@given(STEPS, st.integers(0, 1600))
def test_the_gap_is_free_holds_the_page_and_stays_in_its_block(steps, page):
    table, pages = played(steps)
    if page not in pages:
        start, end = table.gap(page)
        assert start <= page < end
        assert page - page % BLOCK_PAGES <= start and end <= page - page % BLOCK_PAGES + BLOCK_PAGES
        assert not any(p in pages for p in range(start, end))
        assert start % BLOCK_PAGES == 0 or start - 1 in pages
        assert end % BLOCK_PAGES == 0 or end in pages


def test_a_copy_is_independent():
    table = MappingTable([Mapping(0, 10)])
    copy = table.copy()
    copy.cut(0, 5)
    assert table.find(0) is not None and copy.find(0) is None


def test_a_stack_grows_when_the_fault_is_near_below_it():
    table = MappingTable([Mapping(9000, 9033, stack=True)])
    assert table.stack_above(8990) is not None
    assert table.stack_above(9000 - 2049) is None
    assert MappingTable([Mapping(9000, 9033)]).stack_above(8990) is None
