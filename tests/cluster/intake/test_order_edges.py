"""The edges of an address space, against the rule written out in full."""

from hypothesis import given
from hypothesis import strategies as st

from cluster.intake.order import Order, SpaceOrder
from protocol.workload import Access, Munmap

HISTORY = st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.integers(0, 1)), max_size=40)


def built(history):
    """(task, index, is a change, space) of each operation, and the steps with their edges."""
    steps = [[] for _ in range(4)]
    order, spaces, done = Order(steps), [SpaceOrder(), SpaceOrder()], []
    for task, change, space in history:
        steps[task].append(Munmap(start=0, end=1) if change else Access(vpn=0))
        index = len(steps[task]) - 1
        (order.changes if change else order.access)(spaces[space], task, index)
        done.append((task, index, change, space))
    return done, steps, order


def before(done, steps, drop=None):
    """What each operation is after, over task order and edges (one edge left out if asked)."""
    known = {}
    for task, index, _, _ in done:
        reach = set()
        sources = [(task, index - 1)] if index else []
        sources += [source for source in steps[task][index].after if (source, (task, index)) != drop]
        for source in sources:
            reach |= known[source] | {source}
        known[task, index] = reach
    return known


@given(HISTORY)
def test_every_pair_that_must_keep_its_order_does(history):
    done, steps, _ = built(history)
    known = before(done, steps)
    for at, (task, index, change, space) in enumerate(done):
        for earlier_task, earlier_index, earlier_change, earlier_space in done[:at]:
            if space == earlier_space and (change or earlier_change):
                assert (earlier_task, earlier_index) in known[task, index]


@given(HISTORY)
def test_no_edge_can_be_left_out_and_all_are_announced(history):
    done, steps, order = built(history)
    edges = [(source, (task, index)) for task, index, _, _ in done for source in steps[task][index].after]
    assert len(edges) == order.edges == len(set(edges))
    for source, target in edges:
        assert source[0] != target[0]
        assert steps[source[0]][source[1]].announced
        assert source not in before(done, steps, drop=(source, target))[target]
    assert sum(step.announced for task in steps for step in task) == len({source for source, _ in edges})


def test_a_child_knows_what_its_parent_did_before_the_fork():
    steps = [[Munmap(start=0, end=1), Access(vpn=0)], [Access(vpn=0)]]
    order, space = Order(steps), SpaceOrder()
    order.changes(space, 0, 0)
    order.begins(0, 1, 1)
    order.access(space, 1, 0)
    assert steps[1][0].after == ()


def test_a_parent_knows_what_its_vfork_child_did():
    steps = [[Access(vpn=0), Access(vpn=0)], [Munmap(start=0, end=1), Access(vpn=0)]]
    order, space = Order(steps), SpaceOrder()
    order.begins(0, 0, 1)
    order.changes(space, 1, 0)
    order.resumes(0, 1, 1)
    order.access(space, 0, 1)
    assert steps[0][1].after == ()
