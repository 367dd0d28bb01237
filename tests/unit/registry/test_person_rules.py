"""The fingerprints of the rules of identity are those of the code beside them."""

from __future__ import annotations

import ast
import sys
from importlib.resources import files

import pytest

from chartloom.registry.persons import default_parameters
from chartloom.registry.persons.rules import (
    DECISIONS,
    JUDGED_BY,
    KEYED_BY,
    KEYS,
    MADE_BY,
    TRAITS,
    fingerprint_of,
    meant,
    rules,
)


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="another Python writes trees otherwise")
@pytest.mark.parametrize(
    ("names", "written", "then"),
    [
        (TRAITS, MADE_BY, "MADE_BY: stored records get their keys anew"),
        (KEYS, KEYED_BY, "KEYED_BY: stored records get their keys anew"),
        (DECISIONS, JUDGED_BY, "JUDGED_BY, and bring a migration that derives all anew, as 0072"),
    ],
)
def test_what_is_written_down_is_what_the_code_says(
    names: tuple[str, ...], written: str, then: str
) -> None:
    assert fingerprint_of(names) == written, f"the rules changed. Write {then}"
    assert rules() == (MADE_BY, KEYED_BY)


def test_every_module_that_another_of_these_needs_is_one_of_them() -> None:
    """Or it says nothing that a decision depends on; then it is named here."""
    package = "chartloom.registry.persons."
    other = {"comparison", "issues", "lookup", "parameters", "rules"}
    held = {name.removesuffix(".py") for name in (*TRAITS, *KEYS, *DECISIONS)}
    for name in sorted(held):
        if "/" in name:
            continue
        tree = ast.parse(files("chartloom.registry.persons").joinpath(f"{name}.py").read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(package):
                assert str(node.module).removeprefix(package) in held | other, name


def test_text_and_comments_are_not_meant() -> None:
    assert meant('"""A."""\nx = 1  # one') == meant("x = 1")
    assert meant("x = 1") != meant("x = 2")


def test_parameters_are_others_once_pairs_are_judged_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = default_parameters()
    known = before.fingerprint
    monkeypatch.setattr("chartloom.registry.persons.parameters.JUDGED_BY", "other")
    after = type(before)(**{f: getattr(before, f) for f in before.__struct_fields__})
    assert after.fingerprint != known
