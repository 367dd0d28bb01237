"""Errors for the person who must act. Findings in data are Issues instead, never exceptions."""

from __future__ import annotations


class ChartloomError(Exception):
    """Base of all errors of ours. ``cure`` says what to do."""

    def __init__(self, what: str, *, where: str = "", cure: str = "") -> None:
        self.what, self.where, self.cure = what, where, cure
        super().__init__(" ".join(p for p in (f"{where}:" if where else "", what, cure) if p))


class ConfigurationError(ChartloomError):
    """Something in the site folder is wrong: names file, line, key and cure."""


class StoreUnavailable(ChartloomError):
    """The store cannot be reached or does not answer in time; nothing was acknowledged."""


class GrantRefused(ChartloomError):
    """The grant is missing, forged, expired or does not cover what was asked."""


class LimitExceeded(ChartloomError):
    """An explicit limit was passed; names the limit, its value and the setting that changes it."""


class NotFound(ChartloomError):
    """There is nothing under that id, or the grant does not cover it; the two look the same."""
