"""The promises of a run, put to the proof: one digest per (scenario, seed), state that is data, recordings replayed as they were made."""
