"""Builds AuditEvents: FHIR R4 in the shape of IHE Basic Audit Log Patterns (BALP).

No PHI is in them: patients and actors by pseudonymous ids, search terms as blind fingerprints,
everything else as codes and counts. The builders refuse what does not look like that (``shape``).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from chartloom.domain.grant import Purpose
from chartloom.guard.audit import shape
from chartloom.guard.audit import vocabulary as v
from chartloom.guard.audit.canonical import instant
from chartloom.guard.audit.shape import Context, Event
from chartloom.guard.audit.vocabulary import Kind

#: The query of a search without terms.
_ANYTHING: Final = "*"
#: What subjects begin with that are no patients.
_OF_SITE: Final = "site:"


def patient_read(
    about: Context,
    patient: str,
    resources: Sequence[str] = (),
    *,
    labels: Sequence[str] = (),
    count: int | None = None,
    denied: str = "",
) -> Event:
    """Something of a patient's record was shown, or (``denied``: reason code) was not.

    patient: source patient id, ``""`` for what is about no patient. resources: references such as
    ``Observation/<id>`` or names of sections such as ``section/labs``. labels: sensitivity labels
    of the person (VIP, EMP). count: how many records were in the answer.
    """
    profile = v.PROFILES[Kind.READ] if patient else v.PLAIN_READ
    event = shape.begun(about, Kind.READ, profile, denied)
    shape.about_patients(event, (patient,) if patient else (), labels)
    for resource in resources:
        shape.entities(event).append(shape.thing(resource))
    return shape.counted(event, count)


def with_patients(event: Event, patients: Sequence[str]) -> Event:
    """The event with further patients: all records of one joined person, for example."""
    shape.about_patients(event, patients)
    return event


def search(
    about: Context,
    fingerprints: Mapping[str, bytes],
    *,
    patients: Sequence[str] = (),
    labels: Sequence[str] = (),
    count: int | None = None,
    denied: str = "",
) -> Event:
    """A search. fingerprints: field -> blind fingerprint of the term (``Guard.blind``).

    patients: whose records were in the answer; if the search was within one patient's record, that.
    """
    profile = v.PATIENT_QUERY if len(patients) == 1 else v.PROFILES[Kind.SEARCH]
    event = shape.begun(about, Kind.SEARCH, profile, denied)
    terms = "&".join(f"{shape.word(f)}={fingerprints[f].hex()}" for f in sorted(fingerprints))
    shape.entities(event).append(
        {
            "type": shape.code(v.ENTITY_TYPE, "2"),
            "role": shape.code(v.ENTITY_ROLE, "24"),
            "query": base64.b64encode((terms or _ANYTHING).encode()).decode(),
        }
    )
    shape.about_patients(event, patients, labels)
    return shape.counted(event, count)


def of_transaction(event: Event, code: str) -> Event:
    """The event with the IHE transaction that it is part of; "" for none."""
    if code:
        event["subtype"].append(shape.code(v.IHE_TRANSACTION, shape.word(code)))
    return event


def term_fingerprint(blind: Callable[[str, str], bytes], term: str) -> bytes:
    """A search term as it stands in events: the same for the same words, whatever the field, so
    that who searched for the own name is found without the name. blind: ``Guard.blind``."""
    return blind("audit term", " ".join(term.casefold().split()))


def denied(
    about: Context, reason: str, *, patient: str = "", what: str = "", count: int | None = None
) -> Event:
    """A try that was refused before it was known what it would have shown. reason: a code.
    count: how many such tries the event stands for, if it is not one."""
    things = (what,) if what else ()
    return patient_read(about, patient, things, count=count, denied=reason or "denied")


def export(
    about: Context,
    what: str,
    count: int,
    *,
    patients: Sequence[str] = (),
    recipient: str = "",
    data_use: str = "",
    denied: str = "",
) -> Event:
    """Data left in bulk. what: a code such as ``ndjson`` or the name of a data set."""
    event = shape.begun(about, Kind.EXPORT, "", denied)
    shape.entities(event).append(shape.thing(f"export/{what}"))
    shape.about_patients(event, patients)
    if recipient:
        event["agent"].append(shape.receiver(recipient))
    return shape.counted(shape.detailed(event, data_use=data_use), count)


def disclosure(
    about: Context, patient: str, recipient: str, what: str, reason: str, *, count: int = 1
) -> Event:
    """A patient's data was given to somebody outside (45 CFR 164.528). All arguments are codes."""
    event = shape.begun(about, Kind.DISCLOSURE, v.PROFILES[Kind.DISCLOSURE])
    shape.about_patients(event, (patient,))
    event["agent"].append(shape.receiver(recipient))
    shape.entities(event).append(shape.thing(f"disclosure/{what}"))
    return shape.counted(shape.detailed(event, reason=reason), count)


def transformation(
    about: Context, feed: str, first: int, last: int, count: int, version: str, failed: int = 0
) -> Event:
    """A batch of messages became resources. first and last: positions. version: of the mapping."""
    event = shape.begun(about, Kind.TRANSFORM)
    shape.entities(event).append(shape.thing(f"messages/{first}-{last}"))
    return shape.counted(
        shape.detailed(event, feed=feed, mapping=version, failed=str(failed)), count
    )


def rekeyed(about: Context, stage: str, count: int) -> Event:
    """Records of who somebody is were looked at once more, because rules changed. stage: ``keys``,
    ``seek``, ``sweep``."""
    event = shape.begun(about, Kind.TRANSFORM)
    shape.entities(event).append(shape.thing("match-records"))
    return shape.counted(shape.detailed(event, stage=stage), count)


def sign_in(about: Context, method: str, *, denied: str = "") -> Event:
    """Somebody signed in (or could not). method: ``oidc``, ``client-credentials``, ``mtls``."""
    return shape.detailed(shape.begun(about, Kind.SIGN_IN, denied=denied), method=method)


def sign_out(about: Context, reason: str = "asked") -> Event:
    """A session ended. reason: ``asked``, ``idle``, ``expired``, ``revoked``."""
    return shape.detailed(shape.begun(about, Kind.SIGN_OUT), reason=reason)


def session_ended(about: Context, whose: str, by: str, *, denied: str = "") -> Event:
    """Somebody else ended a session. whose: the actor; "" if it came to none. by: ``officer``,
    ``provider``."""
    event = shape.begun(about, Kind.SESSION_ENDED, denied=denied)
    if whose:
        shape.entities(event).append(shape.thing(f"session/{whose}"))
    return shape.detailed(event, by=by)


def _subject(event: Event, subject: str) -> None:
    """Whom or what it is about: a source patient, or ``site:...`` for what is of nobody."""
    if subject.startswith(_OF_SITE):
        shape.entities(event).append(shape.thing(subject.removeprefix(_OF_SITE)))
    else:
        shape.about_patients(event, (subject,))


def glass_broken(
    about: Context, glass_id: str, patient: str, reason: str, until_us: int, *, denied: str = ""
) -> Event:
    """Somebody took access in an emergency. reason: a code; the text is kept sealed elsewhere."""
    event = shape.begun(about, Kind.GLASS_BROKEN, denied=denied)
    event["purposeOfEvent"] = [{"coding": [shape.code(v.REASON, Purpose.BREAK_GLASS)]}]
    _subject(event, patient)
    return shape.detailed(event, glass=glass_id, reason=reason, until=instant(until_us))


def glass_ended(about: Context, glass_id: str, patient: str) -> Event:
    """Emergency access ended."""
    event = shape.begun(about, Kind.GLASS_ENDED)
    _subject(event, patient)
    return shape.detailed(event, glass=glass_id)


def glass_reviewed(about: Context, glass_id: str, patient: str, outcome: str) -> Event:
    """Emergency access was reviewed. outcome: ``justified``, ``unjustified``, ``escalated``."""
    event = shape.begun(about, Kind.GLASS_REVIEWED)
    _subject(event, patient)
    return shape.detailed(event, glass=glass_id, outcome=outcome)


def change(
    about: Context,
    kind: Kind,
    what: str,
    *,
    patients: Sequence[str] = (),
    denied: str = "",
    **details: str,
) -> Event:
    """A policy, role, data use or key changed, or a process started or stopped.

    what: name or fingerprint of the thing. patients: whom it is about. details: codes and counts.
    """
    event = shape.begun(about, kind, denied=denied)
    if patients:
        shape.about_patients(event, patients)
    shape.entities(event).append(shape.thing(f"{kind}/{what}"))
    return shape.detailed(event, **details)


def identity_said(about: Context, patients: Sequence[str], word: str, *, reason: str = "") -> Event:
    """A person said of two records whether they are one person. word: ``same``, ``different`` or
    ``withdraw``. reason: a code."""
    event = shape.begun(about, Kind.IDENTITY_SAID, v.PROFILES[Kind.IDENTITY_SAID])
    shape.about_patients(event, patients)
    return shape.detailed(event, word=word, reason=reason)


def reconciled(about: Context, patient: str, resource: str, kind: str, word: str) -> Event:
    """A clinician decided about a line of a list. patient: source patient in whose record the
    decision (``resource``, its List) stands. kind: of list. word: what was said."""
    event = shape.begun(about, Kind.RECONCILED, v.PROFILES[Kind.RECONCILED])
    shape.about_patients(event, (patient,))
    return shape.detailed(event, word=word, list=kind, resource=resource)


def directory_said(about: Context, key: str, word: str, code: str) -> Event:
    """A steward said something about the directory; it is about no patient. key: names what it is
    about. word: ``same``, ``different``, ``keep``, ``ignore`` or ``withdraw``. code: of the
    question."""
    event = shape.begun(about, Kind.DIRECTORY_SAID, v.PROFILES[Kind.DIRECTORY_SAID])
    shape.entities(event).append(shape.thing(f"directory/{key}"))
    return shape.detailed(event, word=word, question=code)


def key_shredded(about: Context, patient: str, reason: str) -> Event:
    """A patient's key was destroyed."""
    event = shape.begun(about, Kind.KEY_SHREDDED)
    shape.about_patients(event, (patient,))
    return shape.detailed(event, reason=reason)


def label_said(about: Context, patient: str, resource: str, word: str, *, reason: str) -> Event:
    """A person said something of a sensitivity label. patient: source patient. resource:
    ``Observation/<id>``. word: ``set`` or ``lift``. reason: a code. Which label it is stands in the
    message only: whoever reads the record need not know of it."""
    event = shape.begun(about, Kind.LABEL_SAID, v.PROFILES[Kind.LABEL_SAID])
    shape.about_patients(event, (patient,))
    shape.entities(event).append(shape.thing(resource))
    return shape.detailed(event, word=word, reason=reason)
