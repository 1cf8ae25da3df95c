"""The engine: a worker's queue and ports, keyed streams, conservative windows, transports, workers, supervision and snapshots."""
