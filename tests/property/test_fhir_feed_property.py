"""Whatever arrives on a FHIR feed is derived the same way traced and untraced, leaf by leaf."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from chartloom.domain.feed import Feed
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.message import Format, Message
from chartloom.formats.fhir import pointers, validate
from chartloom.normalize.fhir_feed import FhirMapping

FEED = Feed("ehr", "it", "team", "http", Format.FHIR, mapping="fhir")
MAPPING = FhirMapping()

_references = st.sampled_from(
    [
        "Patient/1",
        "#x",
        "Encounter/9",
        "urn:uuid:1",
        "Patient?identifier=s|1",
        "?",
        "http://a/Patient/1",
    ]
)
_odd = st.sampled_from([None, 1, "x", [], {}, [None], {"a": 1}, True])
_resources = st.fixed_dictionaries(
    {"resourceType": st.sampled_from(["Patient", "Observation", "Organization", "Binary", "Nope"])},
    optional={
        "id": st.sampled_from(["1", "2", "a b"]) | _odd,
        "status": st.just("final"),
        "code": st.just({"text": "x"}) | _odd,
        "subject": st.fixed_dictionaries({"reference": _references}) | _odd,
        "identifier": st.just([{"system": "s", "value": "1"}]) | _odd,
        "name": st.just([{"family": "x"}]) | st.just("Ward"),
        "meta": st.just({"lastUpdated": "2020-01-01T00:00:00Z"}) | _odd,
        "link": st.just([{"other": {"reference": "Patient/2"}, "type": "replaces"}]),
    },
)
_entries = st.fixed_dictionaries(
    {},
    optional={
        "fullUrl": st.sampled_from(["urn:uuid:1", "http://a/Patient/1"]) | _odd,
        "resource": _resources | _odd,
        "request": st.fixed_dictionaries(
            {
                "method": st.sampled_from(["PUT", "POST", "DELETE", "PATCH", "GET"]),
                "url": st.sampled_from(["Patient/1", "Patient?identifier=s|1", "Observation"]),
            }
        )
        | _odd,
    },
)
_bundles = st.fixed_dictionaries(
    {"resourceType": st.just("Bundle")},
    optional={
        "type": st.sampled_from(["transaction", "collection", "history", "batch-response"]),
        "entry": st.lists(_entries | _odd, max_size=4) | _odd,
        "timestamp": st.just("2020-01-01T00:00:00Z") | _odd,
    },
)


_UNLIKE: Any = {"resourceType": "Patient", "id": "1", "meta": None, "name": [{"family": "x"}]}


@given(_bundles | _resources)
@example(
    {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"resource": _UNLIKE, "request": {"method": "PUT", "url": "Patient/1"}}],
    }
)
@settings(max_examples=300, deadline=None)
def test_every_message_is_accounted_for(value: Any) -> None:
    body = json.dumps(value).encode()
    message = Message(1, "ehr", body, 1_700_000_000_000_000, hashlib.sha256(body).digest())
    derived = MAPPING.derive(message, FEED, EXAMPLE_NAMESPACE)
    traced = MAPPING.trace(message, FEED, EXAMPLE_NAMESPACE)
    assert traced.derived == derived
    assert [r.location for r in traced.loss.rows] == [p for p, _, _ in pointers(body)]
    assert traced.loss.counts == derived.loss
    assert bool(derived.quarantine) <= (not derived.contributions)
    assert derived.loss.unmapped == 0 or derived.issues
    for contribution in derived.contributions:
        assert validate(contribution.resource) == []
    assert len({c.id for c in derived.contributions}) == len(derived.contributions)
