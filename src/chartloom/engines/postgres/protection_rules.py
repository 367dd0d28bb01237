"""Who may do what in the store, as tables: one place to review, compared with the server.

A new table needs a line in :data:`TABLES`; without one no role can do anything with it, and a test
fails. Kinds of rows and what opens them are in :class:`Rule`.
"""

# ruff: noqa: S608

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from chartloom.domain.identity import IDENTITY_SUBJECT
from chartloom.domain.labels import ALL_LABELS_MASK


class Role(StrEnum):
    """The roles that log in. None owns anything, none may make anything."""

    INGEST = "ingest"
    WORKER = "worker"
    SERVE = "serve"


#: Owns all tables and functions; nobody logs in as it.
OWNER: Final = "owner"


#: The grant names the queue of identity reviews.
_QUEUE: Final = f"'{IDENTITY_SUBJECT}' = ANY (access_persons())"


class Rule(StrEnum):
    """What opens a row: the condition of its table's policy."""

    NOBODY = ""
    SITE = "(SELECT access_granted())"
    EVERYONE = "(SELECT access_everyone())"
    PERSON = """(SELECT access_everyone())
        OR source_patient = ANY ((SELECT access_persons())::text[])"""
    #: What is said and decided about two is open to who works on the queue, or may see both.
    LINK = f"""(SELECT access_everyone())
        OR (SELECT {_QUEUE})
        OR surviving = ANY ((SELECT access_persons())::text[])
            AND prior = ANY ((SELECT access_persons())::text[])"""
    PAIR = f"""(SELECT access_everyone())
        OR (SELECT {_QUEUE})
        OR low = ANY ((SELECT access_persons())::text[])
            AND high = ANY ((SELECT access_persons())::text[])"""
    LABELLED = """(SELECT access_all())
        OR ((SELECT access_everyone()) OR source_patient = ANY ((SELECT access_persons())::text[]))
            AND labels & (SELECT access_forbidden()) = 0"""
    #: Messages that were stopped: who works on the queue knows of those whose labels are open.
    STOPPED = f"""(SELECT access_all())
        OR ((SELECT access_everyone())
                OR (SELECT {_QUEUE})
                OR source_patient = ANY ((SELECT access_persons())::text[]))
            AND labels & (SELECT access_forbidden()) = 0"""
    #: What is about the hospital is open to any grant. While everything is derived anew, what was
    #: labelled before stays so: the words that say it may come later in the log.
    RESOURCE = """(SELECT access_all())
        OR ((SELECT access_everyone()) OR directory AND (SELECT access_granted())
                OR source_patient = ANY ((SELECT access_persons())::text[]))
            AND labels & (SELECT access_forbidden()) = 0
            AND ((SELECT NOT holding()) OR NOT EXISTS (SELECT FROM held_resource h
                WHERE h.id = resource.id AND h.labels & (SELECT access_forbidden()) <> 0))"""
    #: Then what was folded from half of a chart is closed as a whole, if any of it was labelled.
    VIEW = """(SELECT access_all())
        OR ((SELECT access_everyone()) OR source_patient = ANY ((SELECT access_persons())::text[]))
            AND labels & (SELECT access_forbidden()) = 0
            AND ((SELECT NOT holding()) OR NOT EXISTS (SELECT FROM held_resource h
                WHERE h.source_patient = view.source_patient
                    AND h.labels & (SELECT access_forbidden()) <> 0))"""
    #: What a message holds is known once it was applied; before, only a grant for all labels.
    LANDING = f"""(SELECT access_all())
        OR ((SELECT access_everyone()) OR source_patient = ANY ((SELECT access_persons())::text[]))
            AND ((SELECT access_forbidden()) & {ALL_LABELS_MASK} = 0
                OR EXISTS (SELECT FROM outcome o WHERE o.position = landing.position))"""

    @property
    def check(self) -> Rule:
        """What a row must fulfil to be written: what it must to be read, except that a message is
        landed by those who cannot look at what became of it."""
        return Rule.EVERYONE if self is Rule.LANDING else self


class Table(msgspec.Struct, frozen=True):
    """A table: which rows the grant opens, and what each role may do with those.

    S(elect), I(nsert), U(pdate), D(elete); ``S(position)`` for one column only.
    """

    rule: Rule
    ingest: str = ""
    worker: str = ""
    serve: str = ""

    def of(self, role: Role) -> str:
        """The privileges of a role."""
        return {Role.INGEST: self.ingest, Role.WORKER: self.worker, Role.SERVE: self.serve}[role]


TABLES: Final[dict[str, Table]] = {
    "schema_version": Table(Rule.NOBODY),
    "access_secret": Table(Rule.NOBODY),
    "site": Table(Rule.SITE, ingest="S", worker="S", serve="S"),
    "log_head": Table(Rule.SITE, ingest="SU", worker="S"),
    "landing": Table(Rule.LANDING, ingest="I", worker="S", serve="S"),
    "landed_key": Table(Rule.SITE, ingest="SI"),
    "lane": Table(Rule.SITE, worker="SU"),
    "retry": Table(Rule.SITE, worker="S", serve="SI"),
    "project_version": Table(Rule.SITE, worker="SIU", serve="S"),
    # The policy of landing looks for the position.
    "outcome": Table(Rule.LABELLED, worker="S(position)", serve="SD"),
    "bundle": Table(Rule.LABELLED, worker="S", serve="SD"),
    "resource": Table(Rule.RESOURCE, worker="S", serve="S"),
    "view": Table(Rule.VIEW, serve="S"),
    "person": Table(Rule.PERSON, worker="S", serve="S"),
    "record_number": Table(Rule.PERSON, worker="S", serve="S"),
    "link": Table(Rule.LINK, worker="S", serve="SD"),
    "match_record": Table(Rule.PERSON, worker="S", serve="S"),
    "match_key": Table(Rule.EVERYONE, worker="S", serve="S"),
    "match_parameters": Table(Rule.SITE, worker="SI", serve="S"),
    "match_rules": Table(Rule.SITE, worker="S", serve="S"),
    "match_stale": Table(Rule.NOBODY),
    "match_due": Table(Rule.NOBODY),
    "match_afresh": Table(Rule.NOBODY),
    "identity_decision": Table(Rule.PAIR, worker="SIUD", serve="S"),
    "identity_review": Table(Rule.PAIR, worker="SIU", serve="S"),
    "identity_total": Table(Rule.NOBODY),
    "identity_spoken": Table(Rule.PAIR, serve="S"),
    "overlay_stop": Table(Rule.STOPPED, serve="S"),
    "membership": Table(Rule.PERSON, serve="S"),
    "identifier": Table(Rule.PERSON, serve="S"),
    "care": Table(Rule.PERSON, serve="S"),
    "person_label": Table(Rule.PERSON, serve="S"),
    "label_word": Table(Rule.PERSON, serve="S"),
    # What held before everything is derived anew; only functions write it.
    "held": Table(Rule.SITE),
    "held_person": Table(Rule.PERSON, serve="S"),
    "held_label": Table(Rule.PERSON, serve="S"),
    "held_resource": Table(Rule.PERSON, worker="S", serve="S"),  # policies look it up
    "held_consent": Table(Rule.LABELLED, serve="S"),
    "held_care": Table(Rule.PERSON, serve="S"),
    "held_number": Table(Rule.PERSON, serve="S"),
    "feed_minute_in": Table(Rule.SITE, ingest="SIU", serve="S"),
    "feed_minute_out": Table(Rule.SITE, serve="SIU"),
    "feed_total": Table(Rule.SITE, serve="S"),
    "issue_day": Table(Rule.SITE, serve="S"),
    "unknown_reference": Table(Rule.SITE, serve="S"),
    "directory_version": Table(Rule.SITE, worker="SI", serve="S"),
    "outbox": Table(Rule.EVERYONE, serve="S"),
    "outbox_consumer": Table(Rule.SITE, serve="SIUD"),
    "session": Table(Rule.PERSON, serve="SIUD"),
    "glass": Table(Rule.PERSON, serve="SIU"),
    "data_use": Table(Rule.PERSON, serve="SIU"),
    "shredding": Table(Rule.PERSON, serve="SIU"),
    # Only functions get at these.
    "subject_key": Table(Rule.NOBODY),
    "subject_key_state": Table(Rule.NOBODY),
    "audit_event": Table(Rule.NOBODY),
    "audit_end": Table(Rule.NOBODY),
    "used_token": Table(Rule.NOBODY),
}

_ALL: Final = frozenset(Role)

#: Functions of ours by name, and who may call them. Nobody else may, not even by default.
FUNCTIONS: Final[dict[str, frozenset[Role]]] = {
    "access_signed": frozenset(),
    "begin_access": _ALL,
    "access_claim": _ALL,
    "access_granted": _ALL,
    "access_everyone": _ALL,
    "access_persons": _ALL,
    "access_forbidden": _ALL,
    "access_all": _ALL,
    "next_shard": frozenset({Role.WORKER}),
    "keep_partitions": frozenset({Role.INGEST}),
    "land_new": frozenset({Role.INGEST}),
    "require_everyone": frozenset(),
    "subject_keys_get": _ALL,
    "subject_keys_put": _ALL,
    "subject_keys_epoch": _ALL,
    "subject_keys_raise_floor": frozenset(),
    "subject_keys_below": frozenset(),
    "subject_keys_rewrap": frozenset(),
    "subject_keys_destroy": frozenset(),
    "subject_keys_count": frozenset({Role.SERVE}),
    "audit_append": _ALL,
    "require_all": frozenset(),
    "require_all_of": frozenset(),
    "pending_messages": frozenset({Role.WORKER}),
    "current_states": frozenset({Role.WORKER}),
    "current_views": frozenset({Role.WORKER}),
    "batch_write": frozenset({Role.WORKER}),
    "batch_care": frozenset({Role.WORKER}),
    "batch_persons": frozenset({Role.WORKER}),
    "batch_end": frozenset({Role.WORKER}),
    "batch_overlays": frozenset({Role.WORKER}),
    "batch_released": frozenset({Role.WORKER}),
    "overlays_of": frozenset({Role.WORKER}),
    "batch_words": frozenset({Role.WORKER}),
    "batch_labels": frozenset({Role.WORKER}),
    "batch_uncounted": frozenset({Role.WORKER}),
    "batch_unknown": frozenset({Role.WORKER}),
    "overlays_forget": frozenset({Role.SERVE}),
    "match_digests": frozenset({Role.WORKER}),
    "match_put": frozenset({Role.WORKER}),
    "identity_around": frozenset({Role.WORKER}),
    "identity_moved": frozenset({Role.WORKER}),
    "rules_put": frozenset(),
    "match_stale_take": frozenset({Role.WORKER}),
    "match_rekey": frozenset({Role.WORKER}),
    "match_seek": frozenset({Role.WORKER}),
    "match_sweep": frozenset({Role.WORKER}),
    "rekeyed_told": frozenset({Role.WORKER}),
    "rekeyed_end": frozenset({Role.WORKER}),
    "identity_records": frozenset({Role.SERVE}),
    "identity_counts": frozenset({Role.SERVE}),
    "identity_between": frozenset({Role.SERVE}),
    "identity_decided_between": frozenset({Role.SERVE}),
    "identity_questions": frozenset({Role.SERVE}),
    "identity_review_counted": frozenset(),
    "link_spoken": frozenset(),
    "link_counted": frozenset(),
    "made_anew": frozenset({Role.SERVE}),
    "holding": frozenset({Role.WORKER, Role.SERVE}),
    "held_until": frozenset({Role.SERVE}),
    "hold_facts": frozenset(),
    "release_facts": frozenset(),
    "audit_chain": frozenset(),
    "require_audit_reader": frozenset(),
    "audit_read": frozenset({Role.SERVE}),
    "audit_now": frozenset({Role.SERVE}),
    "use_token": frozenset({Role.INGEST, Role.SERVE}),
}

_WORDS: Final = {"S": "SELECT", "I": "INSERT", "U": "UPDATE", "D": "DELETE"}


def privileges(short: str) -> frozenset[tuple[str, str]]:
    """``"IS(position)"`` as (privilege, column) pairs; the column is "" for the whole table."""
    found: set[tuple[str, str]] = set()
    while short:
        word, short, column = _WORDS[short[0]], short[1:], ""
        if short.startswith("("):
            column, _, short = short[1:].partition(")")
        found.add((word, column))
    return frozenset(found)
