"""What a run leaves behind: digest, trace files, the run directory and the operational log."""
