"""Wake-ups that are lost, and sleepers that return although nobody woke them.

An occasion to lose a wake-up is one that would wake somebody; an occasion to return for nothing is a sleep. That a message is lost on its
way (``lose``) is another thing: there the home has taken the sleeper off its channel, and no later wake-up finds it.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from actors.faults.base import Table, Trigger, is_lock
from actors.home import Home
from protocol.faults import Fault
from protocol.messages.faults import Rouse
from protocol.messages.locks import Sleep, Woken
from protocol.records import WAKEUP


def wakeup_lost(home: Home, table: Table, fault: Fault, trigger: Trigger) -> None:
    """wakeup-lost: wakeup() on ``channel`` wakes nobody, or a release of ``lock`` does not hand it over; the sleepers stay where they are.

    A later wake-up of the channel, or a later release of the lock, finds them. For a page I-WANT speaks at once (it is no longer busy, and
    somebody is asleep on it); a thread that nobody wakes later makes the run stuck, and the graph of who waits names it. A lock that nobody
    was given is free to the next that asks, who overtakes those that wait.
    """
    patched: Any = home
    if fault.lock:
        if is_lock(fault.lock, home.name):
            patched._hand_over = _keeping_waiters(home, trigger)
        return
    wake_all = home.wake_all

    def wake_nobody(chan: str) -> int:
        sleepers = home.sleepers.get(chan)
        if not sleepers or not fnmatchcase(chan, fault.channel) or not trigger.turn():
            return wake_all(chan)
        trigger.fired(f"wakeup({chan}) does not wake {_threads([thread for _, thread in sleepers])}")
        return 0

    patched.wake_all = wake_nobody


def _keeping_waiters(home: Home, trigger: Trigger) -> Any:
    hand_over = home._hand_over

    def hand_over_to_nobody() -> None:
        if home.owner == -1 and not home.readers and trigger.turn():
            trigger.fired(f"released, and not handed over to {_threads([thread for _, thread, _ in home.waiters])}")
        else:
            hand_over()

    return hand_over_to_nobody


def wakeup_spurious(home: Home, table: Table, fault: Fault, trigger: Trigger) -> None:
    """wakeup-spurious: who goes to sleep on ``channel`` returns ``delay_ns`` later, if nobody has woken it before.

    The kernel's rule is that a sleeper looks again at what it slept for: the repaired kernel does, sleeps again, and no check speaks (it
    sleeps and wakes once more often). A routine that trusts its wake-up goes on with a page that is still another's.
    """
    sleep, others = table[Sleep], table.get(Rouse)

    def sleep_lightly(message: Sleep, sender: str) -> None:
        sleep(message, sender)
        if fnmatchcase(message.chan, fault.channel) and trigger.turn():
            home.port.timer(Rouse(fault.name, sender, message.thread, message.chan), fault.delay_ns)

    def rouse(message: Rouse, sender: str) -> None:
        if message.fault != fault.name:
            assert others is not None, f"{home.name}: no fault is called {message.fault}"
            others(message, sender)
            return
        queue = home.sleepers.get(message.chan, [])
        if (message.cpu, message.thread) in queue:
            trigger.fired(f"thread {message.thread} returns from {message.chan}, and nobody woke it")
            _take_off(home, message)

    table[Sleep], table[Rouse] = sleep_lightly, rouse


def _take_off(home: Home, message: Rouse) -> None:
    queue = home.sleepers[message.chan]
    queue.remove((message.cpu, message.thread))
    if not queue:
        del home.sleepers[message.chan]
    home.record((WAKEUP, message.chan, (message.thread,)))
    home.tell(message.cpu, Woken(message.thread, message.chan))


def _threads(threads: list[int]) -> str:
    return ", ".join(f"thread {thread}" for thread in threads)
