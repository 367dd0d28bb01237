"""The store: every port that the rooms above need, over one PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chartloom.engines.postgres.charts import ChartsPart
from chartloom.engines.postgres.cohort import CohortPart
from chartloom.engines.postgres.digest import DigestPart
from chartloom.engines.postgres.directory import DirectoryPart
from chartloom.engines.postgres.identities import IdentitiesPart
from chartloom.engines.postgres.keeping import KeepingPart
from chartloom.engines.postgres.landing import LandingPart
from chartloom.engines.postgres.messages import MessagesPart
from chartloom.engines.postgres.probe import ProbePart
from chartloom.engines.postgres.rekeying import RekeyingPart
from chartloom.engines.postgres.seeking import SeekingPart
from chartloom.engines.postgres.tidy import TidyPart

if TYPE_CHECKING:
    from chartloom.domain.ports import (
        Charts,
        DirectoryRecords,
        Identities,
        Landing,
        Lanes,
        Messages,
    )


class PostgresStore(
    LandingPart,
    RekeyingPart,
    ChartsPart,
    MessagesPart,
    DigestPart,
    TidyPart,
    ProbePart,
    CohortPart,
    SeekingPart,
    IdentitiesPart,
    KeepingPart,
    DirectoryPart,
):
    """Implements ``Landing``, ``Lanes``, ``Charts``, ``Messages`` and ``Identities``.

    dsn: of the embedded server or any PostgreSQL >= 15. lanes: fixed when the store is made.
    Reads and ``land`` may be called from many threads; the methods of ``Lanes`` belong to one
    worker. Nothing is opened before it is needed; call :meth:`migrate` once, :meth:`close` at the
    end.
    """


if TYPE_CHECKING:

    def _fits(
        store: PostgresStore,
    ) -> tuple[Landing, Lanes, Charts, Messages, Identities, DirectoryRecords]:
        return store, store, store, store, store, store
