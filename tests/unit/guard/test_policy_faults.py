"""Policies that fail, that say nothing, or that cannot be read: never more access than without."""

from __future__ import annotations

import logging
from typing import Any

import cedarpy
import pytest
from tests.support.policy_examples import BTG, BUILTIN, TREAT, A, ask, person

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.issues import CATALOGUE
from chartloom.guard.policy import (
    Action,
    Policies,
    Request,
    builtin_texts,
    check_policies,
    schema_text,
)
from chartloom.guard.policy import policies as engine
from chartloom.guard.staff import Principal

# Hazards of the engine

OVERFLOW = """
@id("blow-up")
forbid (principal, action == Action::"view_chart", resource is Person)
when { 9223372036854775807 + (if resource.glass then 1 else 1) > 0 };
"""
OVERFLOW_LABEL = OVERFLOW.replace('"view_chart"', '"see_label"')


def test_engine_alone_would_allow_when_a_forbid_fails() -> None:
    """Why diagnostics must deny: this is what Cedar does."""
    request = ask("clinician", A.VIEW_CHART, TREAT, person("attending"))
    answer = cedarpy.is_authorized(
        engine._question(request, A.VIEW_CHART, ""),
        builtin_texts()["care.cedar"] + OVERFLOW,
        engine._entities(request),
    )
    assert answer.allowed
    assert answer.diagnostics.errors


@pytest.mark.parametrize("broken", [OVERFLOW, OVERFLOW_LABEL], ids=["action", "label"])
def test_any_diagnostic_denies_and_is_not_told(
    broken: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    policies = Policies({**builtin_texts(), "site.cedar": broken})
    request = ask("clinician", A.VIEW_CHART, TREAT, person("attending", labels="PSY"))
    with caplog.at_level(logging.DEBUG):
        for count in (1, 2):
            decision = policies.decide(request)
            assert not decision.allowed
            assert decision.fault
            assert policies.faults == count, "a fault is not remembered as an answer"
    assert decision.reasons == ()
    assert "overflow" not in repr(decision)
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_a_fault_elsewhere_leaves_other_actions_alone() -> None:
    policies = Policies({**builtin_texts(), "site.cedar": OVERFLOW})
    assert policies.decide(ask("clinician", A.SEARCH_PERSONS, TREAT)).allowed


def test_text_that_is_none_denies() -> None:
    for subject in ("\ud800", "", " "):
        odd = Request(Principal(subject, roles=frozenset({"clinician"})), A.SEARCH_PERSONS, TREAT)
        decision = BUILTIN.decide(odd)
        assert not decision.allowed
        assert decision.fault


def test_actions_are_those_of_the_schema() -> None:
    schema = schema_text()
    named = {a for a in Action if f'"{a.value}"' in schema}
    assert named == set(Action)


# Findings


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ('\n\npermit(principal,\naction resource);', "policy-unreadable", 3),
        ("// nothing but words", "policy-none", None),
        ("", "policy-none", None),
        ('permit(principal, action == Action::"view_site", resource);', "policy-unnamed", 1),
        (
            '@id("a")\npermit(principal, action == Action::"view_chrat", resource);',
            "policy-invalid",
            1,
        ),
        (
            '// ; not the end\n@id("a;b")\npermit(principal, action == Action::"view_site",'
            ' resource);\n\n@id("c") forbid(principal, action, resource is Person)\n'
            "when { resource.glas };",
            "policy-invalid",
            5,
        ),
        ('@id("a")\npermit(principal, action, resource);', "policy-permits-all", 1),
        ('@id("a") @cover("x")\npermit(principal, action == Action::"replay", resource);',
         "policy-annotation", 1),
        ('@id("a") @covers("x")\npermit(principal, action == Action::"replay", resource);',
         "policy-annotation", 1),
        ('@id("a") @covers("everyone")\nforbid(principal, action, resource);',
         "policy-annotation", 1),
        ('@id("a")\npermit(principal == ?principal, action == Action::"replay", resource);',
         "policy-template", 1),
        ('@id("a")\npermit(principal, action == Action::"replay", resource);\n'
         '@id("a")\nforbid(principal, action, resource);', "policy-named-twice", 3),
        ('@id("a")\npermit(principal, action == Action::"replay", resource)',
         "policy-unreadable", 1),
    ],
)  # fmt: skip
def test_findings_have_file_and_line(text: str, code: str, line: int | None) -> None:
    (issue,) = check_policies({"site.cedar": text})
    assert issue.code == code
    assert issue.location == (f"site.cedar:{line}" if line else "")
    assert CATALOGUE[issue.code].cure
    with pytest.raises(ConfigurationError, match=code):
        Policies({"site.cedar": text})


def test_built_in_policies_have_no_findings() -> None:
    assert check_policies(builtin_texts()) == []


def test_load(tmp_path: Any) -> None:
    assert Policies.load(tmp_path / "policies").version == BUILTIN.version
    folder = tmp_path / "policies"
    folder.mkdir()
    with pytest.raises(ConfigurationError, match="policy-none"):
        Policies.load(folder)
    for name, text in builtin_texts().items():
        (folder / name).write_text(text, encoding="utf-8")
    assert Policies.load(folder).version == BUILTIN.version
    (folder / "glass.cedar").unlink()
    less = Policies.load(folder)
    assert less.version != BUILTIN.version
    assert not less.decide(ask("clinician", A.FIND_PERSON, BTG)).allowed


WHOLE_CONTEXT = """
@id("whole-context")
forbid (principal, action == Action::"see_label", resource is Person)
when { [context].contains(context) && resource.glass };
"""


def test_a_policy_about_labels_may_read_all_there_is() -> None:
    request = ask("clinician", A.VIEW_CHART, TREAT, person("attending", labels="PSY"))
    without = BUILTIN.decide(request)
    decision = Policies({**builtin_texts(), "site.cedar": WHOLE_CONTEXT}).decide(request)
    assert (decision.allowed, decision.labels) == (True, without.labels)
