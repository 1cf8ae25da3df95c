"""What is kept of a peer: rounds in order, a log to say again, first copies to compare with."""

import socket

import pytest

from cluster.engine.frames import BATCH, frame
from cluster.engine.link import Link, PeerGoneError
from cluster.engine.peer import Peer
from cluster.errors import RunError


@pytest.fixture
def ends():
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    links = Link(one, "worker 1"), Link(other, "worker 0")
    yield links
    for link in links:
        link.close()


def heard(peer):
    return [found.body for found in peer.arrived]


def said(number, body=b""):
    return frame(BATCH, body or b"%d" % number, number)


def test_rounds_come_in_order_and_none_is_left_out(ends):
    peer = Peer(1, lambda rank: None, keeps=True)
    peer.attach(ends[0], 0, 0)
    ends[1].write(said(1) + said(2))
    assert peer.settled()
    assert heard(peer) == [b"1", b"2"]
    peer.arrived.clear()
    ends[1].write(said(4))
    with pytest.raises(RunError, match="sent round 4 where round 3 was due"):
        peer.settled()


def test_what_is_said_again_is_compared_and_dropped(ends):
    peer = Peer(1, lambda rank: None, keeps=True)
    peer.attach(ends[0], 0, 0)
    ends[1].write(said(1) + said(2) + said(1) + said(2) + said(3))
    assert peer.settled()
    assert (heard(peer), peer.repeated) == ([b"1", b"2", b"3"], 2)


def test_a_round_that_is_said_otherwise_the_second_time_ends_the_run(ends):
    peer = Peer(1, lambda rank: None, keeps=True)
    peer.attach(ends[0], 0, 0)
    ends[1].write(said(1) + said(2) + said(1) + said(2, b"other"))
    with pytest.raises(RunError, match=r"worker 1, started anew, sent another batch in round 2 than the first time"):
        peer.settled()


def test_flags_may_differ_the_second_time(ends):
    peer = Peer(1, lambda rank: None, keeps=True)
    peer.attach(ends[0], 0, 0)
    ends[1].write(frame(BATCH, b"b", 1, 1) + frame(BATCH, b"b", 1, 0))
    assert peer.settled()
    assert [found.flags for found in peer.arrived] == [1]


def test_a_successor_gets_what_came_after_it_has_heard(ends):
    peer = Peer(1, lambda rank: None, keeps=True)
    for number in (1, 2, 3):
        peer.say(said(number))
    peer.attach(ends[0], 1, 1)
    assert ends[1].receive()
    assert [found.number for found in ends[1].arrived] == [2, 3]


def test_a_commit_shortens_the_log_and_forgets_first_copies(ends):
    peer = Peer(1, lambda rank: None, keeps=True)
    peer.attach(ends[0], 0, 0)
    for number in (1, 2, 3):
        peer.say(said(number))
    assert peer.log_bytes == 3 * len(said(1))
    ends[1].write(said(1) + said(2) + said(3))
    assert peer.settled()
    peer.commit(2)
    assert peer.log_bytes == len(said(1))
    ends[1].write(said(2, b"not remembered any more") + said(3))
    peer.arrived.clear()
    assert not peer.settled()
    ends[1].write(said(3, b"but this is"))
    with pytest.raises(RunError, match="another batch in round 3"):
        peer.settled()


def test_the_end_of_a_link_is_waited_out_or_ends_the_run(ends):
    keeps, ends_it = Peer(1, lambda rank: None, keeps=True), Peer(1, lambda rank: None)
    keeps.attach(ends[0], 0, 0)
    ends[1].write(said(1))
    ends[1].close()
    assert keeps.settled(), "what had been sent before is read"
    keeps.arrived.clear()
    assert not keeps.settled()
    assert keeps.link is None
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    ends_it.attach(Link(one, "worker 1"), 0, 0)
    other.close()
    with pytest.raises(PeerGoneError):
        ends_it.settled()
