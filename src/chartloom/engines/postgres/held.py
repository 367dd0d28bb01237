"""What held before everything is derived anew, and goes on holding until that has been done.

Consents, labels and who is one person come back in the order of the log, later than what they
protect. ``sql/0030_held.sql`` keeps them; here is how readers take them into account. Whoever asked
:func:`is_holding` in a transaction has a lock on what a rebuild empties, so that none begins before
the transaction is over: if nothing is held, the plain tables are all there is to ask. If something
is, a statement that joins both sees either all of before or the whole of now, whenever the rebuild
ends: a statement has one snapshot.
"""

# ruff: noqa: S608

from __future__ import annotations

from typing import Final

from chartloom.domain.labels import PERSON_MASK
from chartloom.engines.postgres.calls import Statement
from chartloom.engines.postgres.connect import Connection
from chartloom.engines.postgres.queries import STATE

#: No row is looked at; the table is locked until the transaction is over.
_ASK: Final = "SELECT holding() WHERE NOT EXISTS (SELECT FROM care LIMIT 0)"
#: The same as the first of several steps: what comes after it in the transaction may be plain.
ASK: Final = Statement("is_holding", _ASK)
#: Evaluated once per statement.
_HOLDING: Final = "(SELECT holding())"

#: In the place of a table: who was one person stays so; whoever is new stands as he does now.
PERSON: Final = f"""(
    SELECT n.source_patient, n.person_id FROM person n
    WHERE NOT {_HOLDING}
        OR NOT EXISTS (SELECT FROM held_person h WHERE h.source_patient = n.source_patient)
    UNION ALL
    SELECT h.source_patient, h.person_id FROM held_person h WHERE {_HOLDING})"""

#: Relations as they were, and those that were told since; none that is only half told.
CARE: Final = f"""(
    SELECT c.source_patient, c.who, c.kind, c.start_us, c.end_us FROM care c
    WHERE NOT {_HOLDING}
        OR EXISTS (SELECT FROM resource r
                   WHERE r.id = c.resource_id AND r.version > (SELECT held_until()))
    UNION ALL
    SELECT h.source_patient, h.who, h.kind, h.start_us, h.end_us FROM held_care h
    WHERE {_HOLDING} AND NOT EXISTS (
        SELECT FROM resource r
        WHERE r.id = h.resource_id AND r.version > (SELECT held_until())))"""

#: Labels of the person ``p``, as people left them (a Patient has its source patient's id).
_OF_PERSON: Final = f"""
        (coalesce((SELECT labels FROM person_label l WHERE l.source_patient = p), 0)
            & ~coalesce((SELECT lifted FROM label_word w WHERE w.resource_id = p), 0)
        | coalesce((SELECT added FROM label_word w WHERE w.resource_id = p), 0)
            & {PERSON_MASK})"""

#: Of ``p``: the person's labels, and those of the data there is.
LABELS: Final = f"""
    SELECT p, {_OF_PERSON}
        | coalesce((SELECT labels FROM held_label h
                    WHERE h.source_patient = p AND {_HOLDING}), 0),
        (SELECT coalesce(bit_or(r.labels), 0) FROM resource r
            WHERE r.source_patient = p AND r.labels <> 0)
        | coalesce((SELECT bit_or(h.labels) FROM held_resource h
                    WHERE h.source_patient = p AND {_HOLDING}), 0)
    FROM unnest(%b::text[]) p"""

LABELS_PLAIN: Final = Statement(
    "labels_of",
    f"""
    SELECT p, {_OF_PERSON},
        (SELECT coalesce(bit_or(r.labels), 0) FROM resource r
            WHERE r.source_patient = p AND r.labels <> 0)
    FROM unnest($1) p""",
    ("text[]",),
)

#: Whether what it permits counts; whether everything is made anew; the state.
CONSENTS: Final = f"""
    SELECT NOT {_HOLDING} OR version > (SELECT held_until()), {_HOLDING}, {STATE} FROM resource
    WHERE source_patient = ANY(%(patients)b::text[]) AND section = 0 AND type = 'Consent'
    UNION ALL
    SELECT h.opens AND NOT EXISTS (
               SELECT FROM resource r WHERE r.id = h.id AND r.version > (SELECT held_until())),
        true, h.id, h.source_patient, h.directory, h.revision, h.body, h.labels, h.version, h.said
    FROM held_consent h
    WHERE h.source_patient = ANY(%(patients)b::text[]) AND {_HOLDING}"""

CONSENTS_PLAIN: Final = Statement(
    "consents_of",
    f"""
    SELECT true, false, {STATE} FROM resource
    WHERE source_patient = ANY($1) AND section = 0 AND type = 'Consent'""",
    ("text[]",),
)

#: A number that somebody carried is theirs.
HOLDERS: Final = f"""
    SELECT source_patient FROM record_number WHERE blind = ANY(%(blinds)b::bytea[])
    UNION
    SELECT h.source_patient FROM held_number h
    WHERE h.blind = ANY(%(blinds)b::bytea[]) AND {_HOLDING}"""

HOLDERS_PLAIN: Final = """
    SELECT source_patient FROM record_number WHERE blind = ANY(%(blinds)b::bytea[])"""

#: Of some patients, those of whom something carried a label that the grant does not open.
CLOSED: Final = f"""
    SELECT DISTINCT h.source_patient FROM held_resource h
    WHERE h.source_patient = ANY(%b::text[]) AND h.labels & %s::int4 <> 0 AND {_HOLDING}"""

#: Within the transaction that empties what is derived, before it does.
HOLD: Final = "SELECT hold_facts()"
RELEASE: Final = "SELECT release_facts()"


def is_holding(conn: Connection) -> bool:
    """Whether something is held; if not, no rebuild begins before the transaction is over."""
    row = conn.execute(_ASK).fetchone()
    return row is not None and bool(row[0])
