"""Where and how it runs: scenarios, intake, the engine, windows, transports, recording, faults and the command line."""
