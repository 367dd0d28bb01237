"""Tries to look across below the console: functions of the store, with grants that do not cover it.

Functions are those of the ports that take a grant; one whose arguments cannot be made up is an
error, so that a new one is tried or the tests fail. This is what a command, or code that forgot to
ask, could reach.
"""

from __future__ import annotations

import inspect
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import msgspec
from tests.support.two_groups import House

from chartloom.domain import codec, ports
from chartloom.domain.errors import ChartloomError, GrantRefused
from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.store import MessageFilter, ReplayScope
from chartloom.domain.withholding import DENY, Rule, Withholding

#: Ports whose functions take a grant, and the attribute of a site that implements each.
PORTS = {
    ports.Charts: "store",
    ports.Messages: "store",
    ports.AccessFacts: "facts",
}
#: Write: tried with grants that do not hold only, and with those of the other group.
WRITES = {"retry", "rebuild"}


class PortCrossing:
    """Attempts at the ports of one house, with grants for group A (or none) at data of B."""

    def __init__(self, house: House, seed: int = 1) -> None:
        self.house, self.random = house, random.Random(seed)
        self.tried: Counter[str] = Counter()
        self.leaks: list[str] = []
        self._a, self._b = house.of("A"), house.of("B")
        self._b_resources = [i for i, (p, _) in house.resources.items() if p.group == "B"]
        self._secret = [i for i, (p, s) in house.resources.items() if p.group == "A" and s]
        self._positions = [*house.positions, *house.shared]
        self._grants = dict(self.grants())

    def grants(self) -> Iterator[tuple[str, Grant]]:
        """Kinds of grants. Only ``group-a`` holds, and it covers no label."""
        mint, everyone = self.house.site.guard.mint, ("*",)
        good = mint("crossing", Purpose.TREATMENT, self._a, ())
        yield "group-a", good
        yield "nobody", mint("crossing", Purpose.TREATMENT, ("no-such-patient",), ())
        replace = msgspec.structs.replace
        yield "persons altered", replace(good, persons=(*good.persons, *self._b))
        yield "persons widened", replace(good, persons=everyone)
        yield "labels altered", replace(good, labels=everyone)
        yield "purpose altered", replace(good, purpose=Purpose.OPERATIONS)
        yield "prolonged", replace(good, expires_at_us=good.expires_at_us + 1)
        yield "actor altered", replace(good, actor="somebody-else")
        yield "mac of another", replace(mint("x", Purpose.TREATMENT, everyone), mac=good.mac)
        yield "no mac", replace(good, persons=everyone, mac=b"")
        yield "mac cut", replace(good, mac=good.mac[:-1])
        expired = mint("crossing", Purpose.TREATMENT, everyone, everyone, ttl_s=0.001)
        time.sleep(0.01)
        yield "expired", expired

    def functions(self) -> Iterator[tuple[str, Any]]:
        """(name, function) of everything that takes a grant."""
        for port, attribute in PORTS.items():
            target = getattr(self.house.site, attribute)
            for name, function in inspect.getmembers(port, inspect.isfunction):
                # `together` reads nothing; each read within it verifies the grant by itself.
                if "grant" in inspect.signature(function).parameters and name != "together":
                    yield f"{port.__name__}.{name}", getattr(target, name)

    def _arguments(self, name: str, function: Any) -> list[Any]:
        """Made-up arguments that aim at the other group, or at what a label protects."""
        pick = self.random.choice
        patient = pick([*self.house.source_patients, *self.house.persons])
        p = pick(self.house.patients)
        makers: dict[str, Any] = {
            "any_id": patient, "any_ids": [patient, pick(self._b)], "after": "",
            "wanted": [[("identifier", p.mrn)], [("family^", f"{p.normal}fam")]],
            "source_patients": [pick(self._b), pick(self._a)],
            "resource_id": pick(self._b_resources + self._secret),
            "resource_ids": self.random.sample(self._b_resources + self._secret, 3),
            "position": pick(self._positions),
            "positions": self.random.sample(self._positions, 3), "limit": pick((1, 20, 500)),
            "field": pick(("any", "identifier", "family", "birthdate")),
            "value": pick((p.mrn, f"{p.normal}fam", f"{p.normal}giv",
                           f"{p.born[:4]}-{p.born[4:6]}-{p.born[6:]}")),
            "where": self._filter(pick), "scope": ReplayScope(positions=(pick(self._positions),)),
            "who": [pick(self._b_resources)], "numbers": [f"QH|{p.mrn}", f"urn:id:QH|{p.mrn}"],
            "fingerprint": "none", 
            "withheld": (Withholding((pick(self._b),), DENY, (Rule(DENY),)),),
            "before_us": pick((0, 10**16)), "before_id": pick(("", pick(self._b_resources))),
            "sections": (), "series": "",
        }  # fmt: skip
        wanted = [n for n in inspect.signature(function).parameters if n != "grant"]
        missing = set(wanted) - makers.keys()
        if missing:
            raise AssertionError(f"no attempts are known for {name}: {missing}")
        return [makers[n] for n in wanted]

    def _filter(self, pick: Any) -> MessageFilter:
        p = pick(self.house.patients)
        return pick(
            (
                MessageFilter(source_patients=(pick(self._b),)),
                MessageFilter(control_id=f"{p.normal}ctl1"),
                MessageFilter(feed=pick(("lab", "adt", "documents"))),
                MessageFilter(before=pick(self._positions), limit=500),
                MessageFilter(),
            )
        )

    def try_many(self, count: int) -> None:
        """That many attempts, evenly over functions and grants."""
        functions = list(self.functions())
        for n in range(count):
            name, function = functions[n % len(functions)]
            kinds = list(self._grants)
            self._try(name, function, kinds[(n // len(functions)) % len(kinds)])

    def _try(self, name: str, function: Any, kind: str) -> None:
        grant, arguments = self._grants[kind], self._arguments(name, function)
        self.tried[f"{name} {kind}"] += 1
        said = f"{name} with a grant '{kind}'"
        holds = kind in ("group-a", "nobody")
        try:
            with self._around():
                answer = function(grant, *arguments)
                if isinstance(answer, AbstractContextManager):
                    with answer:
                        answer = None
        except GrantRefused:
            return
        except ChartloomError as error:
            if not holds:
                self.leaks.append(f"{said}: not refused, but {type(error).__name__}")
            return
        if not holds:
            self.leaks.append(f"{said}: answered")
        if name.rpartition(".")[2] in WRITES and answer:
            self.leaks.append(f"{said}: did something")
        # Group A without its labels: what nurse-a sees, and also celebrities and who withholds.
        for leak in self._foreign(codec.encode(_plain(answer)), kind):
            self.leaks.append(f"{said} {arguments}: {leak}")

    def _around(self) -> AbstractContextManager[Any]:
        """Every other attempt within a transaction of a grant that holds, for something else."""
        if sum(self.tried.values()) % 2:
            return nullcontext()
        return self.house.site.store.together(self._grants["group-a"])  # type: ignore[no-any-return]

    def _foreign(self, answer: bytes, kind: str) -> set[str]:
        from tests.support.two_groups import CANARY, UUID

        found = set()
        for of, number in set(CANARY.findall(answer)):
            p = self.house.patients[int(number) - 1]
            if p.group == "B" or kind == "nobody" or of.lower() == b"s":
                found.add(f"canary {of.decode()}{p.number}")
        for raw in set(UUID.findall(answer)):
            p = self.house.source_patients.get(raw.decode())
            if p is not None and (p.group == "B" or kind == "nobody"):
                found.add(f"id of {p.number}")
        return found


def _plain(answer: Any) -> Any:
    """Something that can be written down: sets become lists, keys texts."""
    return msgspec.to_builtins(answer, str_keys=True, enc_hook=list)
