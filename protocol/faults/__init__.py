"""Faults as data: what may be declared (``kinds``), what one declared fault is (``fault``), and what it may make late (``bounds``)."""

from protocol.faults.bounds import delay_max_ns, stalled_ns
from protocol.faults.fault import Fault, When
from protocol.faults.kinds import FIELDS, INSTANT, KINDS, LAYER, MESSAGE, PART, Field, Kind

__all__ = ["FIELDS", "INSTANT", "KINDS", "LAYER", "MESSAGE", "PART", "Fault", "Field", "Kind", "When", "delay_max_ns", "stalled_ns"]
