"""What may be said, and what must hold: names, events, messages, records, locks, kernels and checks."""
