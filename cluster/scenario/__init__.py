"""Scenario files: what a run is made of, validated, expanded, and turned into a plan."""
