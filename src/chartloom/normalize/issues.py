"""Issue codes that normalisation can report."""

from __future__ import annotations

from chartloom.domain.issues import IssueCode, Severity, register_codes

_E, _W, _I, _F = Severity.ERROR, Severity.WARNING, Severity.INFORMATION, Severity.FATAL

register_codes(
    IssueCode(
        "unparseable",
        _F,
        "The message could not be read at all.",
        "Ask the sender for valid HL7 v2 that begins with MSH, then retry it from quarantine.",
    ),
    IssueCode(
        "unsupported-message-type",
        _F,
        "No mapping reads messages of this type.",
        "Add a message definition to the mapping's messages folder, or stop sending the type here.",
    ),
    IssueCode(
        "no-patient-identifier",
        _F,
        "The message names no patient: PID-3 and PID-2 hold no identifier.",
        "Ask the sender to fill PID-3.",
    ),
    IssueCode(
        "too-many-resources",
        _F,
        "The message would become more resources than the feed takes of one message.",
        "Ask the sender to split it; or raise resources_max in [limits] of the feed and retry it.",
    ),
    IssueCode(
        "code-unmapped",
        _W,
        "A code is not in the concept map; it was kept as it came.",
        "Add the code to the named concept map of the site's mapping.",
    ),
    IssueCode(
        "unit-not-ucum",
        _I,
        "A unit is not known in UCUM; it was kept as text.",
        "Add the unit to units.csv of the site's mapping.",
    ),
    IssueCode(
        "date-invalid",
        _W,
        "A date or time could not be read; its text was kept.",
        "Ask the sender for HL7 times (YYYYMMDDHHMMSS with zone).",
    ),
    IssueCode(
        "number-invalid",
        _W,
        "A number could not be read; its text was kept.",
        "Ask the sender for plain decimal numbers, or for value type SN or ST.",
    ),
    IssueCode(
        "document-unread",
        _W,
        "A document is kept, but what it lists is not read; the detail says why.",
        "Open the document. `somebody-else`: it names another person than the patient it was sent "
        "for; ask the sender whose it is. Otherwise ask for well-formed XML, HTML or text without "
        "a document type, of at most 1 MB.",
    ),
    IssueCode(
        "document-clipped",
        _I,
        "A document lists more than is read of it; what it leaves out counts for nothing.",
        "Open the document for the rest of its lists.",
    ),
    IssueCode(
        "attachment-invalid",
        _W,
        "Embedded data could not be decoded; it was kept as text.",
        "Ask the sender for correct Base64 or hexadecimal data.",
    ),
    IssueCode(
        "value-type-missing",
        _W,
        "A result has a value but no value type; it was kept as text.",
        "Ask the sender to fill OBX-2.",
    ),
    IssueCode(
        "value-type-unsupported",
        _I,
        "The value type of a result has no FHIR counterpart; the value was kept as text.",
        "Nothing, unless the text is not enough.",
    ),
    IssueCode(
        "key-missing",
        _W,
        "A resource could not be identified and was not made: its key fields are empty.",
        "Ask the sender to fill the fields named in the detail.",
    ),
    IssueCode(
        "element-missing",
        _W,
        "FHIR needs a value that the message does not give.",
        "Ask the sender to fill the field.",
    ),
    IssueCode(
        "segment-unplaced",
        _I,
        "A segment stands where the message definition expects none; it was not mapped.",
        "Add the segment to a group of the message definition if it matters.",
    ),
    IssueCode(
        "element-withheld",
        _E,
        "An element of a derived resource would not be valid FHIR R4 and was left out.",
        "Look at the message: it says only a part of what the element needs.",
    ),
    IssueCode(
        "resource-invalid",
        _E,
        "A derived resource does not pass the FHIR R4 schema and was withheld.",
        "Report it with the issue's detail: a mapping rule is at fault.",
    ),
    IssueCode(
        "statements-differ",
        _W,
        "One message says two different things under the same number; the later one counts.",
        "Ask the sender to number orders and results apart.",
    ),
    IssueCode(
        "reference-range-inverted",
        _W,
        "A reference range has its low above its high; only its text was kept.",
        "Ask the laboratory to correct the range.",
    ),
    IssueCode(
        "flag-contradicts-range",
        _W,
        "A result lies outside its own reference range but is flagged normal.",
        "Look at the result; ask the laboratory.",
    ),
    IssueCode(
        "discharge-before-admit",
        _W,
        "A stay ends before it begins.",
        "Ask the sender to correct PV1-44 or PV1-45.",
    ),
    IssueCode(
        "death-contradiction",
        _W,
        "A date of death is given, but the patient is not said to be dead.",
        "Ask the sender to correct PID-29 or PID-30.",
    ),
    IssueCode(
        "birth-after-event",
        _W,
        "The patient is born after the event of the message.",
        "Ask the sender to correct PID-7 or the message time.",
    ),
    IssueCode(
        "merge-incomplete",
        _E,
        "A merge message does not name the record that was merged.",
        "Ask the sender to fill MRG-1.",
    ),
    IssueCode(
        "group-without-patient",
        _E,
        "A group of segments belongs to no patient that the message names; it was not used.",
        "Ask the sender to put PID with an identifier before what it is about.",
    ),
    IssueCode(
        "number-shared",
        _W,
        "A message gives one order number to two drugs; they were kept apart.",
        "Ask the sender to number orders apart: later messages by that number are unclear.",
    ),
    IssueCode(
        "link-incomplete",
        _E,
        "A message links or unlinks records, but does not name two of them.",
        "Ask the sender to send a PID with PID-3 for each record.",
    ),
    IssueCode(
        "visit-moved",
        _W,
        "A visit got another record or number and is shown there; results told before stay.",
        "Look for results and orders of the visit under the prior record or number.",
    ),
    IssueCode(
        "visit-move-incomplete",
        _E,
        "A message moves a visit without saying what it became; the visit was left where it is.",
        "Ask the sender to fill PV1-19 behind MRG.",
    ),
)
