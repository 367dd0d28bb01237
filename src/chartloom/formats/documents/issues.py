"""Why a document is not read."""

from __future__ import annotations

from enum import StrEnum


class Unread(StrEnum):
    """The reason, as a chart keeps it beside the document."""

    MALFORMED = "malformed"
    TOO_LARGE = "too-large"
    DECLARES_TYPES = "declares-types"
    NOT_BASE64 = "not-base64"
    CHARSET = "charset-unknown"
    SOMEBODY_ELSE = "somebody-else"


class UnreadError(Exception):
    """A document that is not read; carries no word of it."""

    def __init__(self, reason: Unread) -> None:
        super().__init__(reason.value)
        self.reason = reason
