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


class MadeAnew(StoreUnavailable):
    """All that is derived is being made anew: what is not there may yet come, so that nothing is
    answered that would tell who or what is not there, and nothing is decided by it."""

    def __init__(self) -> None:
        super().__init__(
            "charts are being made anew.",
            cure="Ask again in some minutes.",
        )


class StoreDamaged(ChartloomError):
    """Something stored cannot be read: it is damaged, or was sealed with other keys."""


class StoreDefect(ChartloomError):
    """The store cannot understand or does not permit what we ask of it: a mistake of ours, a right
    that is missing, another schema. No message is to blame, so none may be quarantined for it.

    ``code`` is the SQLSTATE. Stop the process loudly; trying another message is of no use.
    """

    def __init__(self, code: str) -> None:
        super().__init__(
            f"the store does not do what it is asked ({code}).",
            cure="Its log says why: a right that is missing (GRANT it), or a schema of another "
            "version (`chartloom up` brings it up to date). Nothing is lost meanwhile.",
        )
        self.code = code


class LandingRefused(ChartloomError):
    """The landing cannot hold an arrival, and never will; nothing of the group was kept.

    Land the group in halves to find it, and refuse it to its sender.
    """


class GrantRefused(ChartloomError):
    """The grant is missing, forged, expired or does not cover what was asked."""


class LimitExceeded(ChartloomError):
    """An explicit limit was passed; names the limit, its value and the setting that changes it."""


class NotFound(ChartloomError):
    """There is nothing under that id, or the grant does not cover it; the two look the same."""


class CommitRefused(ChartloomError):
    """Base of the three reasons why ``Lanes.commit`` changed nothing although the store is up."""


class LaneLost(CommitRefused):
    """The worker does not hold a lane of the batch any more, or its cursor has moved.

    Forget the batch, claim again, and read what is pending.
    """


class BatchStale(CommitRefused):
    """Another worker changed a state or view after this batch read it (``ids`` names them).

    Prefetch, fold and commit the same messages again; they are still pending.
    """

    def __init__(self, what: str, *, ids: tuple[str, ...] = ()) -> None:
        super().__init__(what, cure="Prefetch and fold again.")
        self.ids = ids


class BatchRefused(CommitRefused):
    """The store cannot hold something in the batch. ``position`` is the message's, 0 if unknown.

    Commit the batch in halves to find the message, and quarantine it.
    """

    def __init__(self, what: str, *, position: int = 0) -> None:
        super().__init__(what, cure="Commit it in halves to find the message.")
        self.position = position
