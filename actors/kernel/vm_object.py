"""vm_object.c: a new object, a shadow, one more reference (vm-facts 2.4). How they go is in ``vm_object_deallocate`` and ``_collapse``."""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.vm_object_collapse import vm_object_collapse
from actors.kernel.vm_object_header import ANONYMOUS, header
from protocol.messages.objects import OBJ_ONEMAPPING, Enter, SetFlag, ShadowCount
from protocol.pages import OBJT_DEFAULT


async def vm_object_allocate(k: Context, size: int) -> str:
    """A new anonymous object with one reference, that of the map entry it is for. Returns its name."""
    return str(await k.create("object", type=OBJT_DEFAULT, size=size, refs=1, flags=OBJ_ONEMAPPING))


async def vm_object_shadow(k: Context, source: str, offset: int, size: int) -> tuple[str, int]:
    """The object a needs-copy entry shall have: a new one in front of ``source``, or ``source`` itself if nobody else refers to it.

    Returns (object, offset). The entry's reference on ``source`` becomes the shadow's.
    """
    await k.acquire(source)
    head = await header(k, source)
    if head.refs == 1 and head.type in ANONYMOUS:
        await k.release(source)
        return source, offset
    shadow = await k.create("object", type=OBJT_DEFAULT, size=size, refs=1, flags=OBJ_ONEMAPPING, backing=source, backing_offset=offset)
    await k.call(source, ShadowCount(1, str(shadow)))
    await k.release(source)
    return str(shadow), 0


async def vm_object_reference(k: Context, obj: str, shared: bool = True) -> None:
    """One more reference; ``shared`` says that more than one mapping now refers to it."""
    await k.acquire(obj)
    await k.post(obj, Enter(1, 0))
    if shared:
        await k.post(obj, SetFlag(0, OBJ_ONEMAPPING))
    await k.release(obj)


async def vm_object_share(k: Context, obj: str) -> None:
    """A forked map refers to an entry's object, too; before that, what is behind it is collapsed, or both would drag it along.

    (The kernel then splits the entry's part off an object of which an entry has only a part; not modelled.)
    """
    await k.acquire(obj)
    await vm_object_collapse(k, obj)
    await k.post(obj, Enter(1, 0))
    await k.post(obj, SetFlag(0, OBJ_ONEMAPPING))
    await k.release(obj)
