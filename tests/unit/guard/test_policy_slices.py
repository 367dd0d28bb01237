"""The attributes that the policies of a question need, together."""

from __future__ import annotations

import itertools

from chartloom.guard.policy.slices import Policy, sliced


def _policy(name: str, reads: frozenset[str] | None, kind: str = "Person") -> Policy:
    kinds = frozenset({kind})
    text = "permit(principal, action, resource);"
    return Policy(name, text, None, frozenset({"User"}), kinds, reads, covers=False, names_people=False)  # fmt: skip  # noqa: E501


def test_one_policy_that_may_read_anything_needs_everything_wherever_it_stands() -> None:
    some = [_policy("a", frozenset({"x"})), _policy("b", None), _policy("c", frozenset({"y"}))]
    for order in itertools.permutations(some):
        assert sliced(order, "view", "User", "Person").reads is None


def test_otherwise_what_any_of_those_that_are_concerned_reads() -> None:
    some = [_policy("a", frozenset({"x"})), _policy("c", frozenset({"y"})),
            _policy("d", None, "Site")]  # fmt: skip
    assert sliced(some, "view", "User", "Person").reads == {"x", "y"}
    assert sliced(some, "view", "Service", "Person").reads == frozenset()
