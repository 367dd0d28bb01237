"""Issue codes of FHIR reading and validation."""

from __future__ import annotations

from chartloom.domain.issues import IssueCode, Severity, register_codes

_SENDER = "Ask the sender to correct it; the message was kept verbatim and can be replayed."
_ERROR = Severity.ERROR

register_codes(
    IssueCode("json-not-utf8", Severity.FATAL, "The bytes are not UTF-8.", _SENDER),
    IssueCode("json-malformed", Severity.FATAL, "The bytes are not JSON.", _SENDER),
    IssueCode(
        "json-duplicate-key",
        Severity.FATAL,
        "An object has the same key twice, so that its meaning depends on the reader.",
        _SENDER,
    ),
    IssueCode(
        "json-lone-surrogate",
        Severity.FATAL,
        "A string holds half of a UTF-16 pair, which is no character.",
        _SENDER,
    ),
    IssueCode(
        "json-number-out-of-range",
        Severity.FATAL,
        "A number has more digits or a larger exponent than can be kept.",
        _SENDER,
    ),
    IssueCode(
        "json-too-deep",
        Severity.FATAL,
        "Objects and arrays are nested deeper than the limit.",
        "Flatten the resource; no R4 resource in use comes near the limit of 64.",
    ),
    IssueCode(
        "json-too-large",
        Severity.FATAL,
        "The message is larger than the limit.",
        "Split the Bundle, or raise message_size_bytes_max of the feed.",
    ),
    IssueCode(
        "json-byte-order-mark",
        Severity.WARNING,
        "The message begins with a byte order mark, which JSON does not allow; it was skipped.",
        "Ask the sender to leave it out.",
    ),
    IssueCode("fhir-not-a-resource", _ERROR, "There is no resource here.", _SENDER),
    IssueCode(
        "fhir-unknown-type",
        _ERROR,
        "The resourceType is not one of FHIR R4.",
        "Check which FHIR version the sender uses; R4 (4.0.1) is expected.",
    ),
    IssueCode("fhir-missing-element", _ERROR, "A required element is missing.", _SENDER),
    IssueCode(
        "fhir-unknown-element", _ERROR, "There is an element that R4 does not define here.", _SENDER
    ),
    IssueCode("fhir-wrong-type", _ERROR, "A value has the wrong JSON type.", _SENDER),
    IssueCode("fhir-bad-value", _ERROR, "A value does not have the form of its type.", _SENDER),
    IssueCode(
        "fhir-empty", _ERROR, "An object or array is empty, or an array holds null.", _SENDER
    ),
    IssueCode("fhir-choice", _ERROR, "More than one type of a choice element is present.", _SENDER),
    IssueCode(
        "fhir-code-not-allowed",
        _ERROR,
        "A code is not in the value set that R4 requires here.",
        "Map the code with a concept map, or ask the sender to correct it.",
    ),
    IssueCode(
        "fhir-reference-target",
        _ERROR,
        "A reference has no valid form, or names a type that R4 does not allow here.",
        _SENDER,
    ),
    IssueCode(
        "fhir-reference-unresolved",
        _ERROR,
        "A reference to a contained resource leads nowhere.",
        _SENDER,
    ),
    IssueCode(
        "fhir-invariant", _ERROR, "An R4 invariant does not hold; detail has its key.", _SENDER
    ),
    IssueCode(
        "fhir-invariant-warning",
        Severity.WARNING,
        "An R4 best-practice invariant does not hold; detail has its key.",
        "Nothing was lost; tell the sender if it matters.",
    ),
)
