"""An object's splay tree, as the kernel's vm_page.c keeps it: top-down splaying, insertion at the root, removal by joining (vm-facts 3.4).

Needed only where a page may be removed without the object's lock (C15 ``exempt``): then the tree's links are read and written in steps, and
a lookup between two of them leaves pages that no path from the root reaches. Elsewhere an object's index is enough, for what a lookup
answers does not depend on the tree's shape.
"""

from __future__ import annotations

import msgspec

NONE = -1
"""No node."""


class Splay(msgspec.Struct, array_like=True):
    """Nodes by their key, each with its left and right child; ``root`` is where lookups begin."""

    links: dict[int, list[int]] = {}
    root: int = NONE

    def splay(self, key: int, root: int) -> int:
        """vm_page_splay: bring the node of ``key``, or one beside where it would be, to the top of the tree below ``root``. Returns it.

        The root itself is left to the caller to store. In a damaged tree, where the kernel might walk in a circle for ever, it ends after
        as many steps as there are nodes.
        """
        if root == NONE:
            return NONE
        links = self.links
        steps = len(links) + 1
        header = [NONE, NONE]
        left_max = right_min = header
        while key != root:
            side = 0 if key < root else 1
            child = self._child(root, side)
            steps -= 1
            if child == NONE or not steps:
                break
            if key != child and (key < child) == (side == 0):
                # Rotate: the child comes up, and its inner child goes below the old root.
                links[root][side] = links[child][1 - side]
                links[child][1 - side] = root
                root, child = child, self._child(child, side)
                if child == NONE:
                    break
            if side == 0:
                right_min[0] = root
                right_min = links[root]
            else:
                left_max[1] = root
                left_max = links[root]
            root = child
        node = links[root]
        left_max[1], right_min[0] = node
        node[0], node[1] = header[1], header[0]
        return root

    def _child(self, node: int, side: int) -> int:
        """A child; in a damaged tree a link may lead to a node that is gone, which here is the end of the path."""
        child = self.links[node][side]
        return child if child in self.links else NONE

    def find(self, key: int) -> bool:
        """vm_page_lookup: splay, and look at the root."""
        if self.root != key and self.root != NONE:
            self.root = self.splay(key, self.root)
        return self.root == key

    def insert(self, key: int) -> bool:
        """vm_page_insert's half: the node becomes the root. False if the tree shows a node of that key already."""
        if self.find(key):
            return False
        root = self.root
        node = [NONE, NONE]
        if root != NONE:
            side = 0 if key < root else 1
            node[side], node[1 - side] = self.links[root][side], root
            self.links[root][side] = NONE
        self.links[key] = node
        self.root = key
        return True

    def rise(self, key: int) -> None:
        """The first step of a removal: splay the node to the top, without a word to those who begin at ``root``."""
        if self.root not in (key, NONE):
            self.splay(key, self.root)

    def join(self, key: int) -> int:
        """The second: what shall be the root when the node is gone, the node's two subtrees joined below it."""
        if key not in self.links:
            return NONE
        left, right = self._child(key, 0), self._child(key, 1)
        if left == NONE:
            return right
        top = self.splay(key, left)
        self.links[top][1] = right
        return top

    def store(self, key: int, root: int) -> None:
        """The third: the root is stored, and the node is gone."""
        self.links.pop(key, None)
        self.root = root if root in self.links else NONE

    def remove(self, key: int) -> None:
        """vm_page_remove's half, with nobody in between."""
        self.rise(key)
        self.store(key, self.join(key))

    def reachable(self) -> int:
        """How many nodes a search from the root can come to. A link to a node that is gone leads nowhere, and a circle is walked once."""
        seen: dict[int, None] = {}
        waiting = [self.root]
        while waiting:
            node = waiting.pop()
            if node in self.links and node not in seen:
                seen[node] = None
                waiting += self.links[node]
        return len(seen)
