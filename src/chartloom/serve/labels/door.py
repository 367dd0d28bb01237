"""What the pages of labels work with besides the console's store."""

from __future__ import annotations

from dataclasses import dataclass

from chartloom.domain.ports import Charts, LabelRecords
from chartloom.serve.lists.tables import Lands


@dataclass(frozen=True)
class LabelDoor:
    """Reads what is labelled, and lands what people say about it.

    settle_s: how long a page waits for a word that was landed to count.
    """

    records: LabelRecords
    charts: Charts
    log: Lands
    settle_s: float = 2.0
