"""One view per domain: the machine rebuilt from records, and the checks called around each step."""
