"""How the records of a person came together: for stewards, and in a few words for charts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from chartloom.domain.grant import Grant
from chartloom.domain.identity import IdentityDecision, IdentityWord, Membership, Pair
from chartloom.domain.ports import Identities
from chartloom.domain.resource import LinkKind
from chartloom.registry.persons import (
    by_pair,
    last_words,
    said_by_people,
    two_needed,
    waits_for_second,
)
from chartloom.serve.identity.pairs import open_words

_DECISIONS_MAX: Final = 200


class Joined(msgspec.Struct, frozen=True):
    """Why one record of a person belongs to another. word: who said so, or None; decision: what was
    decided, or None."""

    pair: Pair
    word: IdentityWord | None = None
    decision: IdentityDecision | None = None


class History(msgspec.Struct, frozen=True):
    """Everything about who a person's records are."""

    source_patients: tuple[str, ...]
    joined: tuple[Joined, ...]
    memberships: tuple[Membership, ...]
    words: tuple[IdentityWord, ...]
    others: tuple[IdentityDecision, ...]  #: decisions about a record of this person and another's


def read_history(
    grant: Grant, identities: Identities, source_patients: Sequence[str], actor: str
) -> History:
    """The history of the records of one person, for ``actor``: without words of others about pairs
    that wait for this very person to look without knowing."""
    members = tuple(sorted(source_patients))
    decisions = identities.decisions_of(grant, members, _DECISIONS_MAX)
    words = _open(grant, identities, identities.words_of(grant, members), actor)
    inside = set(members)
    return History(
        members,
        tuple(ties(members, decisions, words)),
        tuple(identities.memberships(grant, members)),
        tuple(words),
        tuple(d for d in decisions if d.outcome != "new" and not inside.issuperset(d.pair)),
    )


def _open(
    grant: Grant, identities: Identities, words: Sequence[IdentityWord], actor: str
) -> list[IdentityWord]:
    of: dict[Pair, list[IdentityWord]] = {}
    for word in words:
        of.setdefault(word.pair, []).append(word)
    shown: list[IdentityWord] = []
    for pair, said in of.items():
        review = identities.review(grant, pair)
        if all(w.by in ("", actor) for w in said):
            shown += said
        elif review is not None:
            shown += open_words(said, actor, review)[0]
        else:  # where it stands is not told: nothing is, that others said
            shown += [w for w in said if w.by in ("", actor)]
    return sorted(shown, key=lambda w: (w.event_us, w.position, w.ordinal))


def ties(
    members: Sequence[str],
    decisions: Sequence[IdentityDecision],
    words: Sequence[IdentityWord],
) -> list[Joined]:
    """What holds the records together: words and links, the strongest first, each only if it joins
    what nothing before it did; so there is one fewer than records, if all are accounted for."""
    said = by_pair(words)
    guards = {d.pair for d in decisions if two_needed(d.guard)}

    def hard(pair: Pair) -> bool:
        return pair in guards or waits_for_second(said[pair])

    counts, by_people = last_words(words, hard), said_by_people(words, hard)
    joins = [
        Joined(pair, word=_joining(said[pair], people=pair in by_people))
        for pair, together in sorted(counts.items())
        if together
    ]
    apart = {pair for pair, together in counts.items() if not together}
    links = sorted(
        (d for d in decisions if d.outcome == "link" and d.pair not in apart),
        key=lambda d: (-d.weight, d.pair),
    )
    joins += [Joined(d.pair, decision=d) for d in links]
    cluster = {m: m for m in members}

    def root(id: str) -> str:
        while cluster[id] != id:
            id = cluster[id]
        return id

    found = []
    for joined in joins:
        a, b = joined.pair
        if a in cluster and b in cluster and root(a) != root(b):
            cluster[root(a)] = root(b)
            found.append(joined)
    return found


def _joining(words: Sequence[IdentityWord], *, people: bool) -> IdentityWord:
    """The last word by which two are one person, of people or of sources: whoever counts."""
    joins = [w for w in words if bool(w.by) is people and w.kind in _JOINS]
    return max(joins, key=lambda w: (w.event_us, w.position, w.ordinal))


_JOINS: Final = frozenset({LinkKind.LINK, LinkKind.MERGE})
