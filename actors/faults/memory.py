"""Free frames that are there and not to be had: none for a request, or no run of them."""

from __future__ import annotations

from actors.faults.base import Table, Trigger, begins, lasting, under_way
from actors.homes.free_queues import FreeQueues
from protocol.faults import Fault
from protocol.messages import Value
from protocol.messages.faults import Ends
from protocol.messages.free import Put, PutZeroed, Take
from protocol.pages import CLASS_NAMES


def allocation_failure(free: FreeQueues, table: Table, fault: Fault, trigger: Trigger) -> None:
    """allocation-failure: the free lists have no frame for a request, as if the thresholds forbade it.

    vm_page_alloc does what it does then: it steals a cached page, if there is one, and asks again; else its caller gets none, drops what it
    holds, and waits for memory (vm_waits grows) until the daemon, which finds that there is enough, wakes it. No check speaks.
    """
    take = table[Take]

    def take_or_refuse(op: Take, sender: str) -> None:
        if trigger.turn():
            trigger.fired(f"a request of class {CLASS_NAMES[op.klass]} from {sender} gets no frame")
            free.answer(sender, op, free.refuse(op))
        else:
            take(op, sender)

    table[Take] = take_or_refuse


def fragmented(free: FreeQueues, table: Table, fault: Fault, trigger: Trigger) -> None:
    """memory-fragmented: while the fault lasts, no run of ``pages`` free frames is on the lists: of each such run one frame is off them.

    That is every frame whose number is a multiple of ``pages``, as soon as it is free. Page by page memory is merely a little shorter;
    contigmalloc finds no run: it launders, looks again, and gives up. No check speaks; who needed the run does without.
    """
    put = free.put

    def put_or_set_aside(op: Put) -> Value:
        value = put(op)
        if under_way(fault, free.clock.now) and not op.frame % fault.pages:
            free.set_aside(op.frame)
            value = (free.free + free.cache, free.free)
        return value

    def begin() -> None:
        for frame in sorted(frame for frees in free.lists for frame, _ in frees.members() if not frame % fault.pages):
            free.set_aside(frame)
        free.port.timer(Ends(fault.name), lasting(fault, free.clock.now, fault.duration_ns))

    free.put = put_or_set_aside  # type: ignore[method-assign]
    for served in (Put, PutZeroed):
        table[served] = free._serve(free.ops[served])
    table[Ends] = lambda message, sender: free.put_back()
    begins(table, fault, begin)
