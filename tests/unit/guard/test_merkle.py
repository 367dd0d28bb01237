"""The tree against a naive reading of RFC 6962 and against published roots."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chartloom.guard.audit.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

# Section 2.1 word for word: recursive, over data, sharing nothing with the code under test.


def _k(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def mth(d: Sequence[bytes]) -> bytes:
    if not d:
        return hashlib.sha256().digest()
    if len(d) == 1:
        return hashlib.sha256(b"\0" + d[0]).digest()
    k = _k(len(d))
    return hashlib.sha256(b"\1" + mth(d[:k]) + mth(d[k:])).digest()


def path(m: int, d: Sequence[bytes]) -> list[bytes]:
    if len(d) == 1:
        return []
    k = _k(len(d))
    if m < k:
        return [*path(m, d[:k]), mth(d[k:])]
    return [*path(m - k, d[k:]), mth(d[:k])]


def subproof(m: int, d: Sequence[bytes], b: bool) -> list[bytes]:
    n = len(d)
    if m == n:
        return [] if b else [mth(d)]
    k = _k(n)
    if m <= k:
        return [*subproof(m, d[:k], b), mth(d[k:])]
    return [*subproof(m - k, d[k:], False), mth(d[:k])]


#: The eight inputs and roots of the reference tests of Certificate Transparency.
CT_INPUTS = [
    bytes.fromhex(x)
    for x in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def test_published_roots() -> None:
    leaves = [leaf_hash(d) for d in CT_INPUTS]
    for i, root in enumerate(CT_ROOTS, 1):
        assert root_of(leaves[:i]).hex() == root == mth(CT_INPUTS[:i]).hex()
    assert mth([]) == root_of([]) == EMPTY_ROOT == Frontier().root()


@pytest.mark.parametrize("size", range(1, 35))
def test_roots_and_proofs_of_all_small_trees(size: int) -> None:
    data = [i.to_bytes(2) for i in range(size)]
    leaves = [leaf_hash(d) for d in data]
    root = root_of(leaves)
    assert root == mth(data)
    for i in range(size):
        proof = inclusion_proof(leaves, i)
        assert proof == path(i, data)
        assert verify_inclusion(leaves[i], i, size, proof, root)
        for j in range(size):
            assert verify_inclusion(leaves[i], j, size, proof, root) is (i == j)
    for m in range(1, size + 1):
        proof = consistency_proof(leaves, m)
        assert proof == subproof(m, data, True)
        first = mth(data[:m])
        assert verify_consistency(m, size, proof, first, root)
        assert not verify_consistency(m, size, [*proof, first], first, root)
        for i in range(len(proof)):
            wrong = [*proof]
            wrong[i] = leaf_hash(wrong[i])
            assert not verify_consistency(m, size, wrong, first, root)
            assert not verify_consistency(m, size, proof[:i] + proof[i + 1 :], first, root)
        if m < size:
            assert not verify_consistency(m, size, proof, leaf_hash(first), root)
            assert not verify_consistency(m, size, proof, first, leaf_hash(root))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=4), min_size=1, max_size=300), st.data())
def test_random_trees(data: list[bytes], draw: st.DataObject) -> None:
    leaves = [leaf_hash(d) for d in data]
    root = root_of(leaves)
    assert root == mth(data)
    i = draw.draw(st.integers(0, len(data) - 1))
    assert inclusion_proof(leaves, i) == path(i, data)
    assert verify_inclusion(leaves[i], i, len(data), path(i, data), root)
    m = draw.draw(st.integers(1, len(data)))
    assert consistency_proof(leaves, m) == subproof(m, data, True)
    assert verify_consistency(m, len(data), subproof(m, data, True), mth(data[:m]), root)
    half = Frontier()
    for leaf in leaves[:m]:
        half.add(leaf)
    grown = Frontier(half.size, half.peaks)
    for leaf in leaves[m:]:
        grown.add(leaf)
    assert (half.root(), grown.root()) == (mth(data[:m]), root)


def test_nonsense_is_refused() -> None:
    leaves = [leaf_hash(b"a"), leaf_hash(b"b")]
    root = root_of(leaves)
    for index in (-1, 2):
        assert not verify_inclusion(leaves[0], index, 2, [leaves[1]], root)
        with pytest.raises(IndexError):
            inclusion_proof(leaves, index)
    assert not verify_inclusion(leaves[0], 0, 2, [], root)
    assert not verify_inclusion(leaves[0], 0, 2, [leaves[1], leaves[1]], root)
    for first in (0, 3):
        assert not verify_consistency(first, 2, [leaves[1]], leaves[0], root)
        with pytest.raises(IndexError):
            consistency_proof(leaves, first)
    assert not verify_consistency(2, 2, [], leaves[0], root)
    assert not verify_consistency(1, 2, [], leaves[0], root)
    with pytest.raises(ValueError, match="peaks"):
        Frontier(3, [root])
