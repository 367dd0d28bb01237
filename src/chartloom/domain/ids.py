"""Deterministic ids: the same business key always gives the same id, on every machine and replay.

An id is an RFC 9562 version-5 UUID over the *site namespace* (a random UUID that a site draws once,
so that ids made from record numbers cannot be recomputed outside the site) and the parts of a
business key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from uuid import UUID

#: Namespace used where there is no site: ``chartloom inspect``, examples, unit tests.
EXAMPLE_NAMESPACE = UUID("6f1d2a54-3f0e-5c1e-9a55-1c9b7f0f4a10")

_SEPARATOR = "\x1f"
_VARIANT = {c: "89ab"[int(c, 16) & 3] for c in "0123456789abcdef"}


def id_maker(namespace: UUID, *begin: str) -> Callable[..., str]:
    """``make_id`` for keys that all begin with the same parts: ``id_maker(ns, a)(b)`` equals
    ``make_id(ns, a, b)``. At least one part must follow."""
    head = namespace.bytes + "".join(p + _SEPARATOR for p in begin).encode("utf-8", "surrogatepass")
    join = _SEPARATOR.join

    def make(*key: str) -> str:
        return _uuid5(head + join(key).encode("utf-8", "surrogatepass"))

    return make


def _uuid5(data: bytes) -> str:
    """Spelled out because it runs many times per message."""
    h = hashlib.sha1(data, usedforsecurity=False).hexdigest()
    return f"{h[:8]}-{h[8:12]}-5{h[13:16]}-{_VARIANT[h[16]]}{h[17:20]}-{h[20:32]}"


def make_id(namespace: UUID, *key: str) -> str:
    """The id for a business key, as a lower-case hyphenated UUID (36 characters, a valid FHIR id).

    ``make_id(ns, "lab", "Observation", "ORD-1", "718-7")`` equals
    ``str(uuid.uuid5(ns, "lab\\x1fObservation\\x1fORD-1\\x1f718-7"))``.
    """
    return _uuid5(namespace.bytes + _SEPARATOR.join(key).encode("utf-8", "surrogatepass"))


def source_patient_id(namespace: UUID, feed_namespace: str, authority: str, identifier: str) -> str:
    """The id of one system's record of a patient, which is also its FHIR ``Patient.id``.

    ``feed_namespace`` is the feed's ``namespace`` (by default its name), ``authority`` is the
    assigning authority as the source wrote it (``""`` if it wrote none).
    """
    return make_id(namespace, feed_namespace, "Patient", authority, identifier)
