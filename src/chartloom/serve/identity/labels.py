"""Decided pairs as labels to learn from: levels, bits and what people said; no value of anybody."""

from __future__ import annotations

from chartloom.domain.grant import Grant
from chartloom.domain.identity import ReviewState
from chartloom.domain.ports import Identities
from chartloom.registry.persons.reviewed import Labelled
from chartloom.serve.identity.queue import all_reviews
from chartloom.serve.identity.statistics import SAYS_SAME, standing


def labelled(grant: Grant, identities: Identities, fingerprint: str) -> list[Labelled]:
    """The closed reviews on which all people agree whose word stands, with the evidence as the
    parameters of ``fingerprint`` saw it. Stopped updates of one record are about something else."""
    found = []
    for review in all_reviews(grant, identities):
        said = {SAYS_SAME[w.kind] for w in standing(review.words).values()}
        if review.state is not ReviewState.CLOSED or len(said) != 1:
            continue
        if review.pair[0] == review.pair[1]:
            continue
        decision = identities.decision(grant, review.pair)
        if decision is None or decision.parameters != fingerprint:
            continue
        levels = {field: level for field, (level, _) in decision.fields.items()}
        found.append(Labelled(review.pair, levels, decision.weight, review.reason, same=said.pop()))
    return found
