"""Ctrl-C works in the tests' children even where the suite itself was started in the background.

A shell starts background jobs with SIGINT ignored, and an ignored signal stays ignored in every child. A handler does not: it becomes the
default.
"""

from __future__ import annotations

import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
