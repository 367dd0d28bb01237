"""What every door asks: cross-references, demographic searches, matches. One question is one
decision, one grant and one event; what may not be seen is as if it were not there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Final, Protocol, TypeVar

import msgspec

from chartloom.domain.errors import ChartloomError, MadeAnew
from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.identity import IdentityMatch
from chartloom.domain.ports import Charts, Identities
from chartloom.domain.resource import FhirJson, ResourceState
from chartloom.domain.store import SearchHit
from chartloom.guard.authority import Asking, Authority, Need
from chartloom.guard.policy import Action
from chartloom.guard.staff import Principal
from chartloom.registry.persons import merged_into
from chartloom.registry.persons.lookup import looked_up
from chartloom.serve.client_registry import people
from chartloom.serve.client_registry.criteria import Search, fits, indexed, terms_of
from chartloom.serve.client_registry.domains import Domain, Domains
from chartloom.serve.client_registry.people import Known, Number

#: Candidates that are read at a time, and at most for one answer.
_CHUNK: Final = 50
_CHUNKS_MAX: Final = 10


T = TypeVar("T")
#: Persons, their records, and which of those were merged into which.
_Read = tuple[Sequence[SearchHit], dict[str, ResourceState], dict[str, str]]


class Reads(Charts, Identities, Protocol):
    """The reads that the doors need of a store."""


class Asker(msgspec.Struct, frozen=True):
    """Who asks, what for, and where from."""

    principal: Principal
    purpose: Purpose
    asking: Asking


class Declined(ChartloomError):
    """A question that is not answered, and why: a code of ours."""

    def __init__(self, code: str, what: str, *, where: str = "") -> None:
        super().__init__(what, where=where)
        self.code = code


class Page(msgspec.Struct, frozen=True):
    """Some of the persons found; ``after``: go on behind this one, "" if that was all."""

    persons: tuple[Known, ...]
    after: str = ""


class Match(msgspec.Struct, frozen=True):
    """A person who may be the one described."""

    person: Known
    outcome: str
    weight: float


class ClientRegistry:
    """Thread-safe; every call takes the one who asks and raises ``AccessDenied``, and ``MadeAnew``
    while not everybody is there: "nobody" would be believed."""

    def __init__(self, store: Reads, authority: Authority, domains: Domains) -> None:
        self._store, self.authority, self.domains = store, authority, domains

    def cross_reference(
        self,
        asker: Asker,
        domain: Domain,
        value: str,
        targets: Sequence[Domain],
        transaction: str,
    ) -> tuple[Known, list[Number]]:
        """The person of an identifier and their numbers, one per domain; ``targets``: only there.

        Raises ``Declined``: ``unknown-key`` if nobody has the identifier, ``duplicate-key`` if it
        stands for several persons, ``too-costly`` if for too many to look at.
        """

        def work(grant: Grant) -> tuple[Known, list[Number]]:
            forms = [f"{looked_up(s)}|{looked_up(value)}" for s in domain.systems]
            found = self._numbered(
                grant, asker, [("system|identifier", form) for form in forms], domain, value
            )
            if not found:  # indexed before systems were, or within another domain only
                found = self._numbered(grant, asker, [("identifier", value)], domain, value)
            if not found:
                raise Declined("unknown-key", "nobody is known by this identifier.")
            if len(found) > 1:
                raise Declined("duplicate-key", "several persons have this identifier.")
            mine = people.numbers(found[0], self.domains)
            wanted = [n for n in mine if not targets or n.domain in targets]
            return found[0], people.one_per_domain(wanted, (domain, value))

        terms = {"identifier": looked_up(value)}
        need = self._need(asker, transaction, terms)
        permit = self.authority.permit(asker.principal, need, asker.asking)
        return permit.search(lambda answer: _patients([answer[0]]), self._whole, work)

    def search(
        self, asker: Asker, search: Search, transaction: str, *, after: str = "", limit: int = 50
    ) -> Page:
        """Persons of whom one record fits, in the order of their ids.

        Raises ``Declined`` (``too-costly``) where no index answers.
        """

        def work(grant: Grant) -> Page:
            if search.ids:
                return self._by_id(grant, asker, search)
            keys = indexed(search)
            if not keys:
                raise Declined(
                    "too-costly",
                    "this alone would mean to look at everybody; add an identifier, a name "
                    "(three letters or more) or a date of birth.",
                )
            return self._by_keys(grant, asker, search, keys, after, limit)

        need = self._need(asker, transaction, terms_of(search))
        permit = self.authority.permit(asker.principal, need, asker.asking)
        return permit.search(lambda page: _patients(page.persons), self._whole, work)

    def match(
        self, asker: Asker, patient: FhirJson, transaction: str, *, certain: bool, limit: int
    ) -> list[Match]:
        """Who somebody described may be, the likeliest first. certain: only who it is; then there
        are two if it may be two, whatever the limit.

        What is cut is what would be told: who may not be told of takes nobody's place.
        """
        limit = max(limit, 2) if certain else limit

        def work(grant: Grant) -> list[Match]:
            with self._store.together(grant):
                candidates = self._store.match(grant, patient, _CHUNK * _CHUNKS_MAX)
                wanted = [c for c in candidates if c.outcome == "link" or not certain]
                read = self._read_matches(grant, wanted[:_CHUNK])
            found = self._told_matches(asker, wanted[:_CHUNK], read)
            for start in range(_CHUNK, len(wanted), _CHUNK):
                if len(found) >= limit:
                    break
                some = wanted[start : start + _CHUNK]
                with self._store.together(grant):
                    read = self._read_matches(grant, some)
                found += self._told_matches(asker, some, read)
            return found[:limit]

        need = self._need(asker, transaction, match_terms(patient))
        permit = self.authority.permit(asker.principal, need, asker.asking)
        return permit.search(lambda some: _patients([m.person for m in some]), self._whole, work)

    def _read_matches(self, grant: Grant, some: Sequence[IdentityMatch]) -> _Read:
        return self._read(grant, self._store.persons_of(grant, [c.person_id for c in some]))

    def _told_matches(
        self, asker: Asker, some: Sequence[IdentityMatch], read: _Read
    ) -> list[Match]:
        persons = {p.person_id: p for p in self._told(asker, *read)}
        return [
            Match(persons[c.person_id], c.outcome, c.weight) for c in some if c.person_id in persons
        ]

    def decline(self, asker: Asker, transaction: str) -> None:
        """Puts a question on record that says nothing that could be looked for."""
        need = self._need(asker, transaction, {})
        promise: Future[None] = self.authority.permit(asker.principal, need, asker.asking).submit()
        promise.result()

    def _whole(self, grant: Grant, work: Callable[[Grant], T]) -> T:
        """The answer of ``work``, if everybody was there when it began and still is."""
        self._look(grant)
        try:
            return work(grant)
        finally:  # whoever is not found may have gone meanwhile
            self._look(grant)

    def _look(self, grant: Grant) -> None:
        if self._store.made_anew(grant):
            raise MadeAnew

    def _need(self, asker: Asker, transaction: str, terms: dict[str, str]) -> Need:
        options = ((Action.IDENTIFY_PERSON, asker.purpose),)
        return Need(options, terms=terms, transaction=transaction)

    def _by_id(self, grant: Grant, asker: Asker, search: Search) -> Page:
        with self._store.together(grant):
            read = self._read(grant, self._store.persons_of(grant, search.ids))
        return Page(tuple(p for p in self._told(asker, *read) if self._fits(p, search)))

    def _by_keys(
        self,
        grant: Grant,
        asker: Asker,
        search: Search,
        keys: list[list[tuple[str, str]]],
        after: str,
        limit: int,
    ) -> Page:
        found: list[Known] = []
        for persons, more in self._candidates(grant, asker, keys, after):
            for person in persons:
                if self._fits(person, search):
                    if len(found) == limit:
                        return Page(tuple(found), found[-1].person_id)
                    found.append(person)
            after = more
        return Page(tuple(found), after)

    def _numbered(
        self,
        grant: Grant,
        asker: Asker,
        keys: list[tuple[str, str]],
        domain: Domain,
        value: str,
    ) -> list[Known]:
        """Of the persons whom one of these keys finds, those who have a number."""
        found, after = list[Known](), ""
        for persons, after in self._candidates(grant, asker, [keys], ""):  # noqa: B007
            found += [p for p in persons if _has_number(p, domain, value)]
        if after:  # others may have it too: neither nobody nor one person is known
            raise Declined("too-costly", "too many are known by this identifier.")
        return found

    def _candidates(
        self, grant: Grant, asker: Asker, keys: list[list[tuple[str, str]]], after: str
    ) -> Iterator[tuple[list[Known], str]]:
        """Persons whom an index finds, and behind whom to go on ("": that was all); no more than
        one answer may cost."""
        for _ in range(_CHUNKS_MAX):
            with self._store.together(grant):
                hits = self._store.seek_persons(grant, keys, after, _CHUNK)
                read = self._read(grant, hits)
            after = hits[-1].person_id if len(hits) == _CHUNK else ""
            yield self._told(asker, *read), after
            if not after:
                return

    def _fits(self, person: Known, search: Search) -> bool:
        if not any(fits(state.resource, search) for state in person.states):
            return False
        if not search.targets:
            return True
        held = {number.domain for number in people.numbers(person, self.domains)}
        return not held.isdisjoint(search.targets)

    def _read(self, grant: Grant, hits: Sequence[SearchHit]) -> _Read:
        everybody = [p for hit in hits for p in hit.source_patients]
        several = [p for hit in hits if len(hit.source_patients) > 1 for p in hit.source_patients]
        return (
            hits,
            self._store.states(grant, everybody) if everybody else {},
            merged_into(self._store.words_of(grant, several)) if several else {},
        )

    def _told(
        self,
        asker: Asker,
        hits: Sequence[SearchHit],
        states: dict[str, ResourceState],
        merged: dict[str, str],
    ) -> list[Known]:
        """Those of the persons of whom may be told. Not within a transaction of the grant: facts
        are read under another one."""
        everybody = [p for hit in hits for p in hit.source_patients]
        open_ = self.authority.identifiable(asker.principal, asker.purpose, everybody)
        found = []
        for hit in hits:
            mine = [p for p in hit.source_patients if p in open_]
            if (person := people.known(hit.person_id, mine, states, merged)) is not None:
                found.append(person)
        return found


def _patients(persons: Sequence[Known]) -> list[str]:
    return [state.source_patient for person in persons for state in person.states]


def _has_number(person: Known, domain: Domain, value: str) -> bool:
    """Whether it is a number of theirs, or of a record that was merged into one of theirs."""
    held = (*person.states, *person.merged)
    return any(_says_number(state.resource, domain, value) for state in held)


def _says_number(patient: FhirJson, domain: Domain, value: str) -> bool:
    return any(
        i.get("system") in domain.systems and looked_up(str(i.get("value", ""))) == looked_up(value)
        for i in patient.get("identifier", ())
    )


def match_terms(patient: FhirJson) -> dict[str, str]:
    """What of somebody described goes on record (as fingerprints)."""
    terms = {}
    if isinstance(born := patient.get("birthDate"), str):
        terms["birthdate"] = born
    for name, element, part in (
        ("family", "name", "family"),
        ("identifier", "identifier", "value"),
    ):
        values = [i.get(part) for i in people.element(patient, element) if isinstance(i, dict)]
        if texts := [looked_up(v) for v in values if isinstance(v, str)]:
            terms[name] = " ".join(texts)
    return terms
