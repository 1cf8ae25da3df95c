"""Injected faults: the closed predicate language of ``protocol.faults``, at work where messages are delivered."""
