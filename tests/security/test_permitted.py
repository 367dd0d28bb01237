"""Everything that the built-in policies permit, as a list to review: nothing else is permitted.

``permitted.txt`` has a line for each principal, action, purpose (and flags) with the persons (of
:data:`PERSONS`) for whom the answer is yes, and the labels that the grant then covers. After a
change of policies, write it anew with ``python -m tests.security.test_permitted`` and read the
difference: every line that appears is something that somebody may do from now on.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chartloom.domain.grant import Purpose
from chartloom.domain.labels import Label
from chartloom.guard.policy import Action, PersonFacts, Policies, Request, builtin_texts
from chartloom.guard.staff import Principal, Role

LIST = Path(__file__).with_name("permitted.txt")
ALL = " ".join(label.value for label in Label if label.value not in ("VIP", "EMP"))


def _person(relations: str = "", labels: str = "", **facts: Any) -> PersonFacts:
    for name in ("denied", "permitted"):
        facts[name] = frozenset(facts.get(name, "").split())
    wanted = frozenset(Label(name) for name in labels.split())
    return PersonFacts(("pat-1",), frozenset(relations.split()), wanted, **facts)


PERSONS: dict[str, PersonFacts | None] = {
    "site": None,
    "stranger": _person(),
    "stranger+labels": _person(labels=ALL),
    **{
        kind: _person(kind, ALL)
        for kind in (
            "attending", "encounter", "ordering", "appointment", "care_team", "primary_care",
            "department",
        )
    },
    **{f"{kind}+VIP": _person(kind, "VIP") for kind in ("attending", "department", "encounter")},
    "department+EMP": _person("department", "EMP"),
    "VIP": _person(labels="VIP"),
    "VIP+glass": _person(labels="VIP", glass=True),
    "glass": _person(labels=ALL, glass=True),
    "own+attending": _person("attending", own=True),
    "own+glass": _person(own=True, glass=True),
    "own": _person(own=True),
    "withheld+attending": _person("attending", denied="*"),
    "withheld": _person(denied="*"),
    "withheld+glass": _person("attending", denied="*", glass=True),
    "withheld-HIV+attending": _person("attending", "HIV PSY", denied="HIV"),
    "withheld-HIV+glass": _person("attending", "HIV PSY", denied="HIV", glass=True),
    "opened-ETH+department": _person("department", "ETH HIV", permitted="ETH"),
    "opened-ETH": _person(labels="ETH", permitted="ETH"),
}  # fmt: skip
FLAGS: tuple[tuple[str, ...], ...] = (
    (), ("reason",), ("approved",), ("reason", "approved"), ("data_use",),
    ("data_use", "approved"), ("mine",), ("fresh",), ("fresh", "mine"),
)[1:]  # fmt: skip
_WITH_FLAGS = ("site", "stranger", "own", "withheld", "VIP")
PRINCIPALS = {
    **{role.value: Principal("u", roles=frozenset({role.value})) for role in Role},
    "no role": Principal("u"),
    **{
        scope: Principal("s", scopes=frozenset({scope}), service=True)
        for scope in (
            "messages.send",
            "internal.worker",
            "system/*.read",
            "system/Patient.rs",
            "none",
        )
    },
}


@cache
def permitted(who: str) -> tuple[str, ...]:
    """All that a principal is permitted: a line for each action and purpose, and one for each set
    of flags that changes the answer."""
    policies, lines = _policies(), []
    for action, purpose in product(Action, Purpose):
        asked = Request(PRINCIPALS[who], action, purpose, None, ("cand",))
        plain = {name: _answer(policies, asked, person) for name, person in PERSONS.items()}
        rows = [("", plain)]
        for flags in FLAGS:
            with_ = msgspec.structs.replace(asked, **dict.fromkeys(flags, True))
            # Flags go with acts of decision, not with what is known of a person.
            of_flags = {name: _answer(policies, with_, PERSONS[name]) for name in _WITH_FLAGS}
            if of_flags != {name: plain[name] for name in _WITH_FLAGS}:
                rows.append((f" {'+'.join(flags)}", of_flags))
        for flags_said, answers in rows:
            said = " ".join(f"{n}{a}" for n, a in answers.items() if a is not None)
            if said or flags_said:
                line = f"{who} | {action.value} | {purpose.value}{flags_said} | {said or 'nothing'}"
                lines.append(line)
    return tuple(lines)


@cache
def _policies() -> Policies:
    return Policies(builtin_texts())


def _all() -> list[str]:
    return [line for who in PRINCIPALS for line in permitted(who)]


def _answer(policies: Policies, asked: Request, person: PersonFacts | None) -> str | None:
    """What the grant covers beyond the person, ``None`` if there is none."""
    decision = policies.decide(msgspec.structs.replace(asked, person=person))
    if not decision.allowed:
        return None
    labels = ",".join(sorted(decision.labels))
    return ("*" if "*" in decision.persons else "") + (f"({labels})" if labels else "")


@pytest.mark.parametrize("who", PRINCIPALS)
def test_what_is_permitted_is_on_the_list_and_nothing_else(who: str) -> None:
    known = LIST.read_text(encoding="utf-8").splitlines()
    mine, now = [line for line in known if line.startswith(f"{who} | ")], permitted(who)
    assert [line for line in now if line not in mine] == []  # more than was reviewed
    assert [line for line in mine if line not in now] == []


def test_the_list_is_of_those_principals() -> None:
    known = LIST.read_text(encoding="utf-8").splitlines()
    assert {line.partition(" | ")[0] for line in known} <= set(PRINCIPALS)
    assert len(known) > 50


def test_nobody_reads_for_research_without_a_data_use() -> None:
    for line in _all():
        _, action, purpose, _ = line.split(" | ")
        if purpose.split()[0] in ("HRESCH", "HQUALIMP"):
            assert action in ("use_data", "export", "request_data_use", "approve_data_use",
                              "view_own_access", "view_site", "send_messages",
                              "process_messages"), line  # fmt: skip
            if action in ("use_data", "export"):
                assert "data_use" in purpose


def test_without_a_role_only_ones_own_access_is_open() -> None:
    of_nobody = {line.split(" | ")[1] for line in permitted("no role")}
    # Labels are asked for only when the action is permitted.
    assert of_nobody - {"see_label"} == {"view_own_access"}
    assert not permitted("none")


if __name__ == "__main__":
    LIST.write_text("\n".join(_all()) + "\n", encoding="utf-8")
