"""Lines of orders, and how contributions of one message are told apart."""

from __future__ import annotations

from typing import Any

from chartloom.domain.resource import Derived

PID = "PID|1||4711^^^SGH^MR||Rivera^Ana||19800203|F||||||||||ACC9^^^SGH"
Json = dict[str, Any]


def seg(name: str, **fields: str) -> str:
    """A segment by field number: ``seg("RXA", f3="20240106")``."""
    numbers = {int(k[1:]): v for k, v in fields.items()}
    return "|".join([name, *(numbers.get(n, "") for n in range(1, max(numbers) + 1))])


def codes(derived: Derived) -> list[str]:
    return [i.code for i in derived.issues]
