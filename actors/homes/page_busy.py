"""Hard-busy pages and those who wait for them (vm-facts 3.5, 3.9): claim, busy, unbusy, flash, want.

Tests and sets that the kernel makes under one hold of the lock are one handler each. WANTED and the sleepers live here, with the lock that
is the sleep's interlock; with the object they would lose wake-ups.
"""

from __future__ import annotations

from typing import ClassVar

from actors.home import OpTable, locked, reading
from actors.homes.page_policy import PagePolicy
from actors.homes.page_store import Page
from protocol.messages import Op, Value
from protocol.messages.pages import CLAIMED, NEEDS_COW, WAS_BUSY, WAS_CACHED, Claim, Finish, Flash, SetBusy, Unbusy, WantBusy
from protocol.pages import BUSY, CACHE, NONE, REFERENCED, WANTED, ZERO

WANTING = locked("want_busy", "wanted")
"""What the setting of WANTED asks for."""


class PageBusy(PagePolicy, kw_only=True):
    """Operations on BUSY and WANTED."""

    ops: ClassVar[OpTable] = {
        **PagePolicy.ops,
        Claim: locked("claim", "busy"),
        SetBusy: locked("set_busy", "busy"),
        Unbusy: locked("clear_busy", "busy"),
        Finish: locked("finish", "busy"),
        Flash: locked("flash_page", "wanted"),
        WantBusy: reading("want_busy", "wanted"),
    }

    def claim(self, op: Claim) -> Value:
        """A fault finds a resident page (3.9 step 3a)."""
        frame = op.frame
        page = self.pages.get(frame) or self.stray(op, frame)
        needs_cow = page.cow and op.write_first
        if needs_cow and op.cow_first:
            return (NEEDS_COW, page.cow)
        if page.flags & BUSY or op.soft:
            return (WAS_BUSY, page.cow)
        if needs_cow:
            return (NEEDS_COW, page.cow)
        if page.queue == CACHE and op.severe:
            if op.severe > 0:
                self.activate_page(frame, page)
            return (WAS_CACHED, page.cow)
        self.move(frame, page, NONE)
        self.busy(op, frame, page)
        return (CLAIMED, page.cow)

    def set_busy(self, op: SetBusy) -> Value:
        """vm_page_busy."""
        page = self.pages.get(op.frame) or self.stray(op, op.frame)
        if page.flags & BUSY:
            return "vm_page_busy: page already busy!!!"
        self.busy(op, op.frame, page)
        return None

    def clear_busy(self, op: Unbusy) -> Value:
        """vm_page_wakeup."""
        return self._wake_busy(op, op.frame, self.pages.get(op.frame) or self.stray(op, op.frame))

    def _wake_busy(self, op: Op, frame: int, page: Page) -> Value:
        if not page.flags & BUSY:
            return "vm_page_wakeup: page not busy!!!"
        self.unbusy(op, frame, page)
        return None

    def finish(self, op: Finish) -> Value:
        """The end of a fault (3.9 step 7), which references the page; or release_page, for one that was only read from."""
        frame = op.frame
        page = self.pages.get(frame) or self.stray(op, frame)
        self.set_flags(frame, page, (page.flags | (REFERENCED if op.activate else 0)) & ~(ZERO if op.clear_zero else 0))
        if op.activate:
            self.activate_page(frame, page)
        else:
            self.deactivate_page(frame, page)
        return self._wake_busy(op, frame, page)

    def flash_page(self, op: Flash) -> Value:
        """vm_page_flash."""
        page = self.pages.get(op.frame)
        if page is not None:
            self.flash(op.frame, page)
        return None

    def want_busy(self, op: WantBusy) -> Value:
        """The test of vm_page_sleep_if_busy, which either lock is enough for, and the setting of WANTED, which is a write."""
        page = self.pages.get(op.frame)
        if page is None or not (page.flags & BUSY or (op.also_soft and op.soft > 0)):
            return False
        self.ask(op, "wanted", self._needed(WANTING))
        self.set_flags(op.frame, page, page.flags | WANTED | REFERENCED)
        return True
