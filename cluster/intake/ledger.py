"""The account of a recording: every line is replayed, or ignored for a reason that has a word.

Lines are counted, not operations: a call is two lines, an exec with its mappings a dozen, and only lines can add up to the file. Each line
is entered exactly once, by whoever decides its fate; :meth:`Ledger.close` asserts the sum.
"""

from __future__ import annotations

from protocol.workload import HOW, Account

REASONS: dict[str, str] = {
    "scheduling": "context switches; they tell how tasks wait",
    "host-answer": "what the host's kernel did (TLB flushes, IPIs): compared with, never replayed",
    "repeat": "a mapping line that repeats the result of a call",
    "space-end": "the end of an address space, which follows from exec and exit",
    "failed-call": "a call that returned an error",
    "brk-query": "a brk that only asks, or the first one, which tells where the heap ends",
    "no-effect": "a call that changes nothing in whole pages",
    "unfinished-call": "a call whose result is not in the recording",
    "no-enter": "a call's end whose beginning is not in the recording",
    "kernel-address": "a fault or mapping outside user space",
    "idle-task": "the idle task, which has no address space",
    "no-task": "a dead task whose number the recorder no longer knew",
    "duplicate": "said a second time: a task's end, or its birth",
    "lost": "the recorder says that it lost events",
    "perf-record": "another record of perf's own",
    "unknown-event": "an event this compiler has no use for",
    "unreadable": "a line that cannot be read",
    "cut-line": "the last line, in the middle of which the file ends",
    "blank": "an empty line",
    "comment": "a line of perf script's header",
}
"""Every word that ``Account.ignored`` may use, except ``madvise-N``: an advice (by number) that the model has no use for."""


class Ledger:
    """Counts the fate of lines and what was replayed."""

    def __init__(self) -> None:
        self.account = Account(forks=dict.fromkeys(HOW, 0))

    def replay(self, lines: int = 1) -> None:
        """``lines`` lines became part of the workload."""
        self.account.replayed += lines

    def ignore(self, reason: str, lines: int = 1) -> None:
        """``lines`` lines did not, for this reason."""
        assert reason in REASONS or reason.startswith("madvise-"), reason
        ignored = self.account.ignored
        ignored[reason] = ignored.get(reason, 0) + lines

    def close(self, lines: int) -> Account:
        """The account of a file of ``lines`` lines. Reasons stand in alphabetical order."""
        account = self.account
        account.lines = lines
        account.ignored = dict(sorted(account.ignored.items()))
        assert account.replayed + sum(account.ignored.values()) == lines, "every line is counted once"
        return account
