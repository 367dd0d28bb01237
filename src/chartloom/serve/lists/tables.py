"""What reconciled lists are made with: the site's rules and formulary, and where decisions land."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from chartloom.chart.reconcile import Rules, builtin_rules
from chartloom.domain.message import Arrival, Receipt
from chartloom.registry.formulary import Formulary, builtin_formulary


class Lands(Protocol):
    """The log, as far as a decision needs it."""

    def land(self, arrivals: Sequence[Arrival]) -> list[Receipt]:
        """Durable when it returns."""
        ...


@dataclass(frozen=True)
class ListTables:
    """rules, formulary: of the site, as they are in force. log: where decisions land; without one
    nothing can be decided here. settle_s: how long a page waits for a decision to count."""

    rules: Callable[[], Rules] = builtin_rules
    formulary: Callable[[], Formulary] = builtin_formulary
    log: Lands | None = field(default=None)
    settle_s: float = 2.0
