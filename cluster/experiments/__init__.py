"""Experiments: each historical change, and each hazard that was left, as a scenario run before and after it (vm-facts 1.0a).

An experiment is a file under ``configs/experiments``: a scenario with parameters, what its arms change, what each arm is expected to show,
and a figure with the formula that predicts it. This package reads it, expands it and judges it; running is the API's.
"""
