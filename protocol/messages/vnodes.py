"""Operations on a vnode (home ``vnode.*``, under its interlock; vm-facts 2.5, 3.4)."""

from __future__ import annotations

from typing import ClassVar

from protocol.messages.base import Op


class VnodeHold(Op, tag=210, gc=False):
    """vhold (+1) and vdrop (-1). Value: the new hold count."""

    word: ClassVar[str] = "vnode.hold"
    delta: int
