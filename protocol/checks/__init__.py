"""Invariants of the machine as predicates on (record, view), and the suite that feeds them (vm-facts 4)."""

from protocol.checks.base import Derived, Violation
from protocol.checks.registry import CHECKS, check_names, statement
from protocol.checks.routing import RoutedEntry, decode_routed, encode_routed, merge
from protocol.checks.state import SuiteState
from protocol.checks.suite import Suite

__all__ = [
    "CHECKS", "Derived", "RoutedEntry", "Suite", "SuiteState", "Violation", "check_names", "decode_routed", "encode_routed", "merge",
    "statement",
]  # fmt: skip
