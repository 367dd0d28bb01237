"""Issue codes of policies."""

from chartloom.domain.issues import IssueCode, Severity, register_codes

register_codes(
    IssueCode(
        "policy-unreadable",
        Severity.FATAL,
        "A policy is not Cedar.",
        "Correct the statement that begins at this line.",
    ),
    IssueCode(
        "policy-invalid",
        Severity.FATAL,
        "A policy speaks of something that does not exist, or compares what cannot be compared.",
        "Compare with guard/policy/schema.cedarschema.",
    ),
    IssueCode(
        "policy-unnamed",
        Severity.FATAL,
        "A policy has no name, so that no record could say that it decided.",
        'Put @id("...") before it.',
    ),
    IssueCode(
        "policy-named-twice",
        Severity.FATAL,
        "Two policies have the same name.",
        "Give each its own.",
    ),
    IssueCode(
        "policy-annotation",
        Severity.FATAL,
        "A policy has an annotation that means nothing here.",
        '@id("...") names it; @covers("everyone") lets a permit without a patient cover all.',
    ),
    IssueCode(
        "policy-template",
        Severity.FATAL,
        "Policy templates are not used here.",
        "Write the policy without ?principal and ?resource.",
    ),
    IssueCode(
        "policy-permits-all",
        Severity.FATAL,
        "A policy permits everybody everything.",
        "Name the action, and say when.",
    ),
    IssueCode(
        "policy-none",
        Severity.FATAL,
        "There is no policy, so that nobody may do anything.",
        "Copy the built-in policies: `chartloom init` writes them.",
    ),
)
