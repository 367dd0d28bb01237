"""Merkle trees of RFC 6962 section 2.1: roots, inclusion proofs and consistency proofs.

Written from the RFC. ``leaves`` are leaf hashes (:func:`leaf_hash`); sizes count leaves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

_sha256 = hashlib.sha256

#: Root of the tree without leaves.
EMPTY_ROOT = _sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """``MTH({d}) = SHA-256(0x00 || d)``."""
    return _sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """``SHA-256(0x01 || left || right)``."""
    return _sha256(b"\x01" + left + right).digest()


class Frontier:
    """The roots of the full subtrees of a growing tree, left to right: all that growing needs.

    Holds at most one hash per bit of the size, whatever the size.
    """

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self.size = size
        self.peaks = list(peaks)
        if len(self.peaks) != size.bit_count():
            raise ValueError("the peaks do not fit the size")

    def add(self, leaf: bytes) -> None:
        """Appends a leaf hash."""
        peaks = self.peaks
        size = self.size
        while size & 1:
            leaf = _sha256(b"\x01" + peaks.pop() + leaf).digest()
            size >>= 1
        peaks.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """The tree's root."""
        if not self.peaks:
            return EMPTY_ROOT
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node_hash(peak, root)
        return root


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.add(leaf)
    return frontier.root()


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """``PATH(m, D[n])``: proves that leaf ``index`` (from 0) is in the tree over ``leaves``."""
    if not 0 <= index < len(leaves):
        raise IndexError("there is no such leaf")
    proof: list[bytes] = []
    low, high = 0, len(leaves)
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            proof.append(root_of(leaves[middle:high]))
            high = middle
        else:
            proof.append(root_of(leaves[low:middle]))
            low = middle
    return proof[::-1]


def consistency_proof(leaves: Sequence[bytes], first: int) -> list[bytes]:
    """``PROOF(m, D[n])``: proves that the tree over the first leaves is a start of this tree."""
    if not 0 < first <= len(leaves):
        raise IndexError("there is no such earlier tree")
    proof: list[bytes] = []
    low, high = 0, len(leaves)
    whole = True  # whether the earlier tree is known as a whole from here on down
    while first != high - low:
        middle = _split(high - low)
        if first <= middle:
            proof.append(root_of(leaves[low + middle : high]))
            high = low + middle
        else:
            proof.append(root_of(leaves[low : low + middle]))
            low += middle
            first -= middle
            whole = False
    if not whole:
        proof.append(root_of(leaves[low:high]))
    return proof[::-1]


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Whether ``proof`` shows that ``leaf`` is number ``index`` of the tree (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    at, last, found = index, size - 1, leaf
    for step in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node_hash(step, found)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            found = node_hash(found, step)
        at >>= 1
        last >>= 1
    return last == 0 and found == root


def verify_consistency(
    first: int, second: int, proof: Sequence[bytes], first_root: bytes, second_root: bytes
) -> bool:
    """Whether ``proof`` shows that the first tree is a start of the second (RFC 9162, 2.1.4.2)."""
    if not 0 < first <= second:
        return False
    if first == second:
        return not proof and first_root == second_root
    path = list(proof)
    if first & (first - 1) == 0:
        path.insert(0, first_root)
    if not path:
        return False
    at, last = first - 1, second - 1
    while at & 1:
        at >>= 1
        last >>= 1
    old = new = path[0]
    for step in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            new = node_hash(new, step)
        at >>= 1
        last >>= 1
    return last == 0 and old == first_root and new == second_root


def _split(size: int) -> int:
    """The largest power of two smaller than ``size``."""
    return 1 << ((size - 1).bit_length() - 1)
