"""Faults of the modelled machine: what each broken part does instead of what it should."""
