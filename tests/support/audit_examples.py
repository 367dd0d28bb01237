"""One AuditEvent of every kind, allowed and denied."""

from __future__ import annotations

from typing import Any

from chartloom.domain.grant import Purpose
from chartloom.guard.audit import Actor, Context, Kind, events

PATIENT = "0b1c2d3e-0000-5000-8000-000000000001"
OTHER = "0b1c2d3e-0000-5000-8000-000000000002"
NOW_US = 1_780_000_000_123_456


def context(actor: str = "staff-17", at_us: int = NOW_US, **more: Any) -> Context:
    """A clinician who treats, over the console."""
    who = Actor(actor, ("clinician",), address="10.1.2.3")
    fields: dict[str, Any] = {
        "purpose": Purpose.TREATMENT,
        "observer": "serve",
        "request_id": "req-1",
        "grant_id": "a" * 32,
        "policy_version": "v1",
    }
    return Context(at_us, who, **{**fields, **more})


def every_kind() -> dict[str, dict[str, Any]]:
    """Name -> event."""
    c = context()
    bare = Context(NOW_US, Actor("worker-1", service=True, behalf="staff-17"))
    prints = {"family": bytes(16), "birthdate": b"\xff" * 16}
    found = {
        "read": events.patient_read(c, PATIENT, [f"Observation/{OTHER}", "section/labs"], count=3),
        "read-vip": events.patient_read(c, PATIENT, labels=["VIP"]),
        "read-directory": events.patient_read(c, "", [f"Practitioner/{OTHER}"]),
        "read-denied": events.patient_read(c, PATIENT, denied="no-relation"),
        "search": events.search(c, prints, patients=[PATIENT, OTHER], count=2),
        "search-one": events.search(c, prints, patients=[PATIENT]),
        "search-none": events.search(c, {}, count=0),
        "search-denied": events.search(c, prints, denied="policy"),
        "denied": events.denied(c, "expired-token", what="page/feeds"),
        "denied-bare": events.denied(bare, ""),
        "export": events.export(
            c, "ndjson", 12, patients=[PATIENT], recipient="registry-1", data_use="use-3"
        ),
        "export-denied": events.export(c, "ndjson", 0, denied="not-approved"),
        "disclosure": events.disclosure(c, PATIENT, "court-4", "record", "court-order"),
        "transformation": events.transformation(bare, "adt", 1, 500, 498, "abc123", 2),
        "sign-in": events.sign_in(c, "oidc"),
        "sign-in-denied": events.sign_in(bare, "mtls", denied="unknown-subject"),
        "sign-out": events.sign_out(c, "idle"),
        "session-ended": events.session_ended(c, "staff-9", "officer"),
        "glass": events.glass_broken(c, "glass-1", PATIENT, "emergency", NOW_US + 10**9),
        "glass-ended": events.glass_ended(c, "glass-1", PATIENT),
        "glass-reviewed": events.glass_reviewed(c, "glass-1", PATIENT, "justified"),
        "shredded": events.key_shredded(c, PATIENT, "patient-request"),
    }
    for kind in (
        Kind.POLICY_CHANGED,
        Kind.ROLE_CHANGED,
        Kind.KEY_CREATED,
        Kind.KEY_ROTATED,
        Kind.KEY_RETIRED,
        Kind.USE_REQUESTED,
        Kind.USE_DECIDED,
        Kind.SHRED_REQUESTED,
        Kind.SHRED_DECIDED,
        Kind.STARTED,
        Kind.STOPPED,
    ):
        found[kind] = events.change(c, kind, "thing-1", generation="2")
    found[Kind.DIRECTORY_SAID] = events.directory_said(
        c, "0123456789abcdef", "keep", "directory-values-differ"
    )
    found[Kind.IDENTITY_SAID] = events.identity_said(
        c, (PATIENT, "pat-2"), "different", reason="relatives"
    )
    found[Kind.RECONCILED] = events.reconciled(c, PATIENT, "list-1", "allergies", "refuted")
    found[Kind.LABEL_SAID] = events.label_said(
        c, PATIENT, "Observation/obs-1", "lift", reason="rule-wrong"
    )
    return found
