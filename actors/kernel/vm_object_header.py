"""A vm object's header as a routine reads it, and its constants that several files ask for (vm-facts 2.4)."""

from __future__ import annotations

from actors.kernel.context import Context
from actors.kernel.contracts import locks
from protocol.messages.objects import CHAN_PIP, Describe, Header, WantPip
from protocol.pages import OBJT_DEFAULT, OBJT_SWAP

ANONYMOUS = (OBJT_DEFAULT, OBJT_SWAP)
EVERYTHING = 1 << 52
"""Beyond the last pindex of any object."""
BATCH = 64
"""Resident pages told at once."""


@locks("obj")
async def header(k: Context, obj: str) -> Header:
    """All of it. [L: obj]"""
    return Header(*await k.call(obj, Describe()))


@locks("obj")
async def vm_object_pip_wait(k: Context, obj: str) -> None:
    """Sleep until nothing is paging in the object. [L: obj, which is dropped meanwhile]"""
    while await k.call(obj, WantPip()):
        await k.sleep(obj, CHAN_PIP)
        await k.acquire(obj)
