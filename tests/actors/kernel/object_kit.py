"""Chains of objects made by hand, for tests of what becomes of them: a script's step may be any routine."""

from __future__ import annotations

from actors.kernel import step
from actors.kernel.vm_object import vm_object_allocate
from actors.kernel.vm_object_collapse import vm_object_collapse
from actors.kernel.vm_page_alloc import vm_page_alloc
from protocol.identity import PAGE_QUEUES
from protocol.messages.objects import SetValid, ShadowCount
from protocol.messages.pages import Activate
from protocol.pages import ALLOC_NOBUSY, OBJT_DEFAULT, VALID_ALL
from protocol.records import OBJECT_COLLAPSE
from protocol.workload import Kernel
from tests.actors.machine_audit import objects
from tests.actors.machine_kit import run, workload

SIZE = 8
BOTTOM, MIDDLE, FRONT = "object.1.cpu.0", "object.2.cpu.0", "object.3.cpu.0"


def scripted(monkeypatch, *routines, **of):
    """One task for each routine, on a CPU of its own."""
    for number, routine in enumerate(routines):
        monkeypatch.setitem(step.SCRIPTED, f"test{number}", routine)
    return run(workload(*[[Kernel(routine=f"test{number}", cpu=number)] for number in range(len(routines))]), **of)


async def locked(k, obj, op):
    """One operation under the object's lock."""
    await k.acquire(obj)
    value = await k.call(obj, op)
    await k.release(obj)
    return value


async def shadow_of(k, source, offset=0):
    """A new object in front of ``source``, whose own reference becomes the new one's."""
    front = await k.create("object", type=OBJT_DEFAULT, size=SIZE, refs=1, backing=source, backing_offset=offset)
    await locked(k, source, ShadowCount(1, front))
    return front


async def chain(k, offset=0):
    """Three objects in a row, each of which is the only one to refer to the one behind it."""
    bottom = await vm_object_allocate(k, SIZE)
    middle = await shadow_of(k, bottom, offset)
    assert (bottom, middle, await shadow_of(k, middle, offset)) == (BOTTOM, MIDDLE, FRONT)


async def pages(k, obj, *pindexes):
    """Pages of ``obj``, valid, idle, and on the active queue. Returns their frames."""
    frames = []
    await k.acquire(obj)
    for pindex in pindexes:
        frame, _ = await vm_page_alloc(k, obj, pindex, ALLOC_NOBUSY)
        frames.append(frame)
        await k.call(obj, SetValid(pindex, VALID_ALL))
        await k.acquire(PAGE_QUEUES)
        await k.post(PAGE_QUEUES, Activate(frame))
        await k.release(PAGE_QUEUES)
    await k.release(obj)
    return frames


async def queued(k, *ops):
    """Operations on pages under the page queues. (Who holds the objects is not what such a test is about.)"""
    await k.acquire(PAGE_QUEUES)
    for op in ops:
        await k.call(PAGE_QUEUES, op)
    await k.release(PAGE_QUEUES)


async def collapse(k, obj=FRONT):
    await k.acquire(obj)
    await vm_object_collapse(k, obj)
    await k.release(obj)


def collapsed(done):
    """(object, backing, how, moved, freed) of each record."""
    return [tuple(record[2:]) for record in done.records(OBJECT_COLLAPSE)]


def resident(done, name):
    return sorted(objects(done)[name].pages)
