"""The union of all messages: what the wire needs of it."""

from __future__ import annotations

from collections import Counter

from protocol.messages import MESSAGE_BY_WORD, MESSAGE_TYPES


def test_tags_are_unique():
    tags = Counter(message.__struct_config__.tag for message in MESSAGE_TYPES)
    twice = {tag for tag, count in tags.items() if count > 1}
    assert {message.__name__: message.__struct_config__.tag for message in MESSAGE_TYPES if message.__struct_config__.tag in twice} == {}


def test_words_are_unique():
    assert len(MESSAGE_BY_WORD) == len(MESSAGE_TYPES)
