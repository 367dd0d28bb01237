"""What each role of the store may do, as a list to review: nothing else is granted.

``store_roles.txt`` has the condition of every kind of row, a line for each table, and a line for
each function. That the server has it so is tested in ``contract/test_store_access*.py``. After a
change of the rules, write it anew with ``python -m tests.security.test_store_roles`` and read the
difference: every word that appears is something that a stolen password is good for from now on.
"""

from __future__ import annotations

from pathlib import Path

from chartloom.engines.postgres.protection_rules import FUNCTIONS, TABLES, Role, Rule, privileges

LIST = Path(__file__).with_name("store_roles.txt")


def granted() -> list[str]:
    """All that the rules grant."""
    lines = [f"rows {rule.name}: {' '.join(rule.value.split())}" for rule in Rule]
    lines += [f"new rows {r.name}: as {r.check.name}" for r in Rule if r.check is not r]
    for name, table in sorted(TABLES.items()):
        given = " ".join(f"{role}={_words(table.of(role))}" for role in Role if table.of(role))
        lines.append(f"table {name}: {table.rule.name} {given}".strip())
    for name, roles in sorted(FUNCTIONS.items()):
        lines.append(f"function {name}: {' '.join(sorted(roles))}".strip())
    return lines


def _words(short: str) -> str:
    found = sorted(privileges(short))
    return ",".join(f"{word}({column})" if column else word for word, column in found)


def test_what_is_granted_is_on_the_list_and_nothing_else() -> None:
    known, now = LIST.read_text(encoding="utf-8").splitlines(), granted()
    assert [line for line in now if line not in known] == []  # more than was reviewed
    assert [line for line in known if line not in now] == []


def test_nobody_deletes_what_is_known_of_patients_but_by_letting_a_message_go() -> None:
    may = {(name, role) for name, table in TABLES.items() for role in Role
           if ("DELETE", "") in privileges(table.of(role))}  # fmt: skip
    assert not [name for name, _ in may if name in ("landing", "resource", "view", "person")]
    assert not [name for name, role in may if role is Role.INGEST]


def test_what_is_derived_is_written_by_functions_only() -> None:
    """The worker's own writing: who is one person, lanes, and versions of the project."""
    writes = {
        name
        for name, table in TABLES.items()
        if {w for w, _ in privileges(table.of(Role.WORKER))} & {"INSERT", "UPDATE", "DELETE"}
    }
    derived = {"outcome", "bundle", "resource", "view", "link", "identifier", "record_number"}
    derived |= {"care", "person_label", "outbox", "issue_day", "feed_minute_out", "retry"}
    assert writes & (derived | {"landing"}) == set()
    assert ("INSERT", "") not in privileges(TABLES["person"].of(Role.WORKER))


def test_who_lands_messages_reads_nothing_of_any_patient() -> None:
    for name, table in TABLES.items():
        if table.rule not in (Rule.SITE, Rule.NOBODY):
            assert ("SELECT", "") not in privileges(table.ingest), name


if __name__ == "__main__":
    LIST.write_text("\n".join(granted()) + "\n", encoding="utf-8")
