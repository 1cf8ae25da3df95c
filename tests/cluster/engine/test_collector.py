"""The collector's thresholds are the caller's again after a run, however it ended."""

import gc

import pytest

from cluster.engine.collector import THRESHOLDS, seldom_collected


def test_thresholds_are_put_back():
    before = gc.get_threshold()
    within = {}
    with pytest.raises(KeyError, match="missing"), seldom_collected():
        within["missing" if gc.get_threshold() == THRESHOLDS else "other"]
    assert gc.get_threshold() == before
