"""Scenario files: what a run is made of, validated, expanded, and turned into a plan."""

from cluster.scenario.scenario import Scenario, load
from cluster.scenario.schema import schema

__all__ = ["Scenario", "load", "schema"]
