"""Gathers what a decision needs to know: relations that count, labels, consent, open glass.

Every question is asked in the same way whether or not there is such a patient, so that neither the
answer nor its time tells.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from hashlib import sha256
from threading import Lock
from typing import Final, Protocol

import msgspec

from chartloom.domain.access import KnownConsent, KnownOfPerson
from chartloom.domain.grant import EVERYONE, Grant, Purpose
from chartloom.domain.labels import labels_of
from chartloom.domain.ports import AccessFacts, Clock, GlassRecords
from chartloom.domain.resource import FhirJson
from chartloom.domain.withholding import Withholding
from chartloom.guard.consent import Asking, consent_facts, while_anew
from chartloom.guard.named import asking_of
from chartloom.guard.policy import PersonFacts, Windows, counts, relations_now
from chartloom.guard.staff import Principal, resolve

#: How long it may take until a change in the directory or in the list of own numbers is noticed.
WHO_S: Final = 60.0
_REMEMBERED_MAX: Final = 4_096
_OWN_GRANT_S: Final = 300.0
_SPARE_US: Final = 60_000_000
_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/|@+-]{0,127}")


class Minter(Protocol):
    """The guard, as far as deciding needs it."""

    def mint(
        self,
        actor: str,
        purpose: Purpose,
        persons: Sequence[str] = EVERYONE,
        labels: Sequence[str] = ("*",),
        ttl_s: float = 900,
        policy_version: str = "",
        withheld: Sequence[Withholding] = (),
    ) -> Grant:
        """A signed grant."""
        ...

    def blind(self, field: str, value: str) -> bytes:
        """A keyed fingerprint."""
        ...


class Who(msgspec.Struct, frozen=True):
    """A principal with what stands for it in the store.

    actor: how grants and the record name it. patients: own source patients. directory_size: of the
    directory in which it was looked up. asking: as Consents may name it.
    """

    principal: Principal
    actor: str
    patients: frozenset[str]
    directory_size: int = 0
    asking: Asking = Asking()


def actor_of(principal: Principal) -> str:
    """How the record names somebody: the subject, or its fingerprint if it is no plain word."""
    subject = principal.subject
    if _WORD.fullmatch(subject):
        return subject
    return "sub:" + sha256(subject.encode("utf-8", "surrogatepass")).hexdigest()[:32]


class OwnGrants:
    """Grants of one actor of the house for fixed persons, renewed in time."""

    def __init__(
        self, minter: Minter, clock: Clock, actor: str, persons: Sequence[str], *labels: str
    ) -> None:
        self._minter, self._clock, self._actor = minter, clock, actor
        self._persons, self._labels = tuple(persons), labels
        self._grant: Grant | None = None

    def __call__(self) -> Grant:
        grant = self._grant
        if grant is None or grant.expires_at_us - self._clock.now_us() < _SPARE_US:
            grant = self._grant = self._minter.mint(
                self._actor, Purpose.OPERATIONS, self._persons, self._labels, _OWN_GRANT_S
            )
        return grant


class Gatherer:
    """Facts for decisions. Thread-safe; only who somebody is, is remembered for a minute."""

    def __init__(
        self,
        facts: AccessFacts,
        glass: GlassRecords,
        minter: Minter,
        clock: Clock,
        windows: Windows,
    ) -> None:
        self.facts, self._glass, self._clock, self._windows = facts, glass, clock, windows
        self.grant = OwnGrants(minter, clock, "service:authority", EVERYONE, "*")
        self._who: dict[Principal, tuple[int, Who]] = {}
        self._lock = Lock()

    def who(self, principal: Principal) -> Who:
        """The principal with ids of directory resources and own patients."""
        now_us = self._clock.now_us()
        with self._lock:
            known = self._who.get(principal)
        if known is not None and 0 <= now_us - known[0] < WHO_S * 1e6:
            return known[1]
        grant = self.grant()
        resolved, asking = principal, Asking()
        size = self.facts.directory_size(grant)
        if principal.practitioners or principal.departments:
            directory = self.facts.directory(grant)
            resolved = resolve(principal, directory)
            asking = asking_of(resolved, directory)
        own: frozenset[str] = frozenset()
        if principal.own_patients:
            # Authorities stand in the chart as senders wrote them, or as the mapping names them.
            spelt = {s for n in principal.own_patients for s in (n, f"urn:id:{n}")}
            own = self.facts.holders(grant, sorted(spelt))
        who = Who(resolved, actor_of(principal), own, size, asking)
        with self._lock:
            if len(self._who) >= _REMEMBERED_MAX:
                self._who.clear()
            self._who[principal] = (now_us, who)
        return who

    def again(self, principal: Principal, before: Who) -> Who:
        """The same, resolved anew if somebody or some place was named for the first time since:
        their first patient must not wait for what is remembered to pass."""
        if self.facts.directory_size(self.grant()) == before.directory_size:
            return before
        with self._lock:
            self._who.pop(principal, None)
        return self.who(principal)

    def together(self) -> AbstractContextManager[None]:
        """What is asked within is one transaction. Ask for nothing under another grant there: that
        would need a second connection while the first is held."""
        return self.facts.together(self.grant())

    def known_of(self, any_id: str) -> KnownOfPerson:
        """What is known of the person of an id; empty for nobody."""
        return self.facts.known_of(self.grant(), any_id)

    def person(self, who: Who, known: KnownOfPerson, *, glass: bool | None = None) -> PersonFacts:
        """What policies may know, without consent (see :meth:`with_consent`)."""
        now_us = self._clock.now_us()
        if glass is None:
            glass = self.glass_until(who, known.source_patients) > 0
        return PersonFacts(
            source_patients=known.source_patients,
            relations=relations_now(
                known.relations,
                who.principal.practitioners,
                who.principal.departments,
                now_us,
                self._windows,
            ),
            labels=labels_of(known.labels),
            glass=glass,
            own=not who.patients.isdisjoint(known.source_patients),
        )

    def with_consent(
        self, who: Who, persons: Sequence[PersonFacts], purpose: Purpose
    ) -> list[PersonFacts]:
        """The same with what the patients' consents say about this question.

        What is withheld by class stands in ``withheld``: it is no matter of the policies, but of
        what reads under the grant.
        """
        wanted = [p for person in persons for p in person.source_patients]
        of: dict[str, list[KnownConsent]] = {}
        for consent in self.facts.consents(self.grant(), wanted) if wanted else ():
            of.setdefault(_subject(consent.resource), []).append(consent)
        if not of:
            return list(persons)
        now_us = self._clock.now_us()
        answers = []
        for person in persons:
            # One that names nobody is believed to be about whoever it came with.
            consents = [c for p in (*person.source_patients, "") for c in of.get(p, ())]
            said = consent_facts(
                [c.resource for c in consents], who.asking, purpose, now_us, person.source_patients
            )
            if any(c.anew for c in consents):
                opening = [c.resource for c in consents if c.opens]
                said = while_anew(said, consent_facts(opening, who.asking, purpose, now_us))
            answers.append(
                msgspec.structs.replace(
                    person,
                    denied=said.denied,
                    permitted=said.permitted,
                    withheld=said.withheld,
                )
            )
        return answers

    def glass_until(self, who: Who, source_patients: Sequence[str]) -> int:
        """Until when the glass is open, 0 if it is not."""
        grant, now_us = self.grant(), self._clock.now_us()
        found = self._glass.open_of(grant, who.actor, source_patients, now_us)
        return found.until_us if found else 0

    def own_persons(self, who: Who) -> list[PersonFacts]:
        """The persons that somebody has a relation with now, without consent."""
        ids = who.principal.practitioners | who.principal.departments
        if not ids:
            return []
        now_us = self._clock.now_us()
        mine = {
            r.source_patient
            for r in self.facts.related_to(self.grant(), sorted(ids))
            if counts(r, now_us, self._windows)
        }
        if not mine:
            return []
        known = self.facts.known_of_all(self.grant(), sorted(mine))
        return [self.person(who, k, glass=False) for k in known]


def _subject(consent: FhirJson) -> str:
    """The source patient that a Consent names; "" if it names none here."""
    patient = consent.get("patient")
    reference = patient.get("reference") if isinstance(patient, dict) else None
    return reference.rpartition("/")[2] if isinstance(reference, str) else ""
