"""How a run is read: metrics while it runs, and its log afterwards."""
