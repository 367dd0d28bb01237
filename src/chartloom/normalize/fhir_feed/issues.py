"""Issue codes of FHIR feeds."""

from __future__ import annotations

from chartloom.domain.issues import IssueCode, Severity, register_codes

_E, _W, _I, _F = Severity.ERROR, Severity.WARNING, Severity.INFORMATION, Severity.FATAL

register_codes(
    IssueCode(
        "fhir-nothing-usable",
        _F,
        "No resource of the message could be used; the other issues say why.",
        "Correct what the issues name and retry the message from quarantine.",
    ),
    IssueCode(
        "fhir-bundle-type",
        _F,
        "A Bundle of this type carries no statements about patients.",
        "Send a transaction, batch, collection, message, document, history or searchset Bundle.",
    ),
    IssueCode(
        "fhir-empty-bundle",
        _I,
        "The Bundle has no entries; there was nothing to do.",
        "Nothing, unless something was expected.",
    ),
    IssueCode(
        "consent-not-understood",
        _W,
        "A condition in a patient's consent is not understood: what it stands in withholds more "
        "for it, up to the whole chart, and opens nothing.",
        "Ask the sender for classes that are resource types, coded conditions, and references to "
        "resources of this feed (docs/howto/access.md); then send the Consent again.",
    ),
    IssueCode(
        "consent-code-wide",
        _I,
        "A patient's consent denies a code: it also withholds what may be the same and is told in "
        "words only, or in the codes of another system or of the house.",
        "Nothing, if that is meant. To withhold less, deny classes or labels; to let more be told "
        "apart, code what is coded locally in the system that consents name.",
    ),
    IssueCode(
        "fhir-entry-rejected",
        _E,
        "A resource is not valid R4 and was not used; the other entries were.",
        "See the issues at the same place; ask the sender to correct it and send it again.",
    ),
    IssueCode(
        "fhir-type-not-kept",
        _W,
        "A resource is of a type that has no place in a chart; it was not used.",
        "Add the type to types.csv of the site's mapping if it belongs in charts.",
    ),
    IssueCode(
        "fhir-patient-unknown",
        _E,
        "A resource does not say which patient it is about; it was not used.",
        "Ask the sender to fill the subject or patient reference.",
    ),
    IssueCode(
        "fhir-several-patients",
        _W,
        "A resource names several patients; it is in the chart of the first one.",
        "Ask the sender for one resource per patient.",
    ),
    IssueCode(
        "fhir-reference-external",
        _W,
        "A reference leads to another server; it was kept as it came.",
        "If that server is this feed's own, set its base address as base_url of the feed.",
    ),
    IssueCode(
        "fhir-reference-unknown",
        _W,
        "A reference could not be resolved; it was kept as it came.",
        "Ask the sender to include the resource, or to refer to it by type and id.",
    ),
    IssueCode(
        "fhir-resource-repeated",
        _W,
        "The message holds the same resource twice; the newer one counts.",
        "Nothing, unless the two differ in an unexpected way.",
    ),
    IssueCode(
        "fhir-delete-not-applied",
        _E,
        "A deletion names only an id, so that its patient is unknown; nothing was changed.",
        "Send the resource with status entered-in-error instead.",
    ),
    IssueCode(
        "fhir-patch-not-applied",
        _E,
        "A change that is relative to another version cannot be applied.",
        "Send the whole resource (PUT) instead.",
    ),
    IssueCode(
        "fhir-modifier-extension",
        _W,
        "An extension says that it changes the meaning of what it stands in; nobody checked how.",
        "Look at the extension in the message before relying on the resource.",
    ),
    IssueCode(
        "fhir-time-ahead",
        _W,
        "The message is dated more than a day after it was received; the receipt time counts.",
        "Ask the sender to correct its clock.",
    ),
)
