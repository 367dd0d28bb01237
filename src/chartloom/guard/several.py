"""Messages about several persons: decided on person by person, then granted together."""

from __future__ import annotations

from collections.abc import Sequence

from chartloom.guard.facts import Gatherer
from chartloom.guard.policy import Decision, PersonFacts


class Several:
    """What is known of the persons of a message, or of a pair, that is about more than one.

    known: of each person. complete: everybody is known, so that all can be decided on.
    source_patients: those that there are.
    """

    def __init__(
        self, gatherer: Gatherer, source_patients: Sequence[str], *, typed: bool = False
    ) -> None:
        """typed: by somebody, so that ids of nobody stand nowhere."""
        self.known = gatherer.facts.known_of_all(gatherer.grant(), tuple(source_patients))
        found = {p for known in self.known for p in known.source_patients}
        self.complete = bool(source_patients) and found.issuperset(source_patients)
        self.source_patients = tuple(p for p in source_patients if not typed or p in found)

    def joined(self, persons: Sequence[PersonFacts], decisions: Sequence[Decision]) -> Decision:
        """One decision for a grant: all persons, and the labels that are open of everybody who has
        them."""
        both = list(zip(persons, decisions, strict=True))
        labels = {label for decision in decisions for label in decision.labels}
        closed = {
            label.value
            for person, decision in both
            for label in person.labels
            if label.value not in decision.labels
        }
        first = decisions[0]
        return Decision(
            allowed=True,
            reasons=tuple(sorted({r for d in decisions for r in d.reasons})),
            persons=tuple(dict.fromkeys(p for d in decisions for p in d.persons)),
            labels=tuple(sorted(labels - closed)),
            ttl_s=min(d.ttl_s for d in decisions),
            policy_version=first.policy_version,
            withheld=tuple(w for d in decisions for w in d.withheld),
        )
