"""Issue codes of the audit log's verification."""

from __future__ import annotations

from chartloom.domain.issues import IssueCode, Severity, register_codes

_ERROR = Severity.ERROR
_LOOK = (
    "Treat it as an attack until it is explained: keep the disk as it is, compare with the heads "
    "and the backups that are kept elsewhere."
)

register_codes(
    IssueCode(
        "audit-edited", _ERROR, "An event is not what was logged: its hash does not fit.", _LOOK
    ),
    IssueCode(
        "audit-chain-broken",
        _ERROR,
        "An event does not follow the one before it: something was taken out, put in or moved.",
        _LOOK,
    ),
    IssueCode("audit-sequence", _ERROR, "The numbers of the events are not 1, 2, 3.", _LOOK),
    IssueCode(
        "audit-time-differs",
        _ERROR,
        "The time kept beside an event is not the time in it, or it is no event.",
        _LOOK,
    ),
    IssueCode(
        "audit-clock-rollback",
        _ERROR,
        "The time went back between events, or an event is later than the head that covers it.",
        "Find out who set the clock, or which clock is wrong; then see what was done meanwhile.",
    ),
    IssueCode("audit-truncated", _ERROR, "A signed head covers events that are not there.", _LOOK),
    IssueCode(
        "audit-rewritten",
        _ERROR,
        "The events are not those that a signed head covers: the log was rewritten or forked.",
        _LOOK,
    ),
    IssueCode("audit-head-forged", _ERROR, "A head was not signed by the key of this log.", _LOOK),
    IssueCode(
        "audit-head-missing",
        _ERROR,
        "A head does not follow the one before it, or a log that is not young has no first one.",
        "Compare the file of heads with the copy that is kept elsewhere, and put it back.",
    ),
    IssueCode(
        "audit-head-overdue",
        _ERROR,
        "Events are older than two minutes, and no signed head holds them yet.",
        "The console signs heads every ten seconds: see in its log what keeps it from that.",
    ),
    IssueCode("audit-head-damaged", _ERROR, "A line is not a head.", _LOOK),
)
