"""One list of allergies: what stands, what is over, and what does not fit."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.lists import (
    NOW_US,
    RXNORM,
    SNOMED,
    allergy,
    chart,
    doses,
    line,
    misfits,
    results,
)

from chartloom.chart.reconcile import Decision, ListKind, ReconciledList, reconcile_allergies
from chartloom.chart.reconcile.rules import builtin_rules
from chartloom.chart.times import to_us
from chartloom.domain.chart import Section

RULES = builtin_rules()


def made(*entries: dict[str, Any], decisions: tuple[Decision, ...] = ()) -> ReconciledList:
    return reconcile_allergies(chart(*entries), RULES, NOW_US, decisions=decisions)


def test_one_substance_by_code_by_name_and_in_other_words_is_one_line() -> None:
    told = made(
        allergy("a", "PENICILLIN", code=f"{RXNORM}|7980"),
        allergy("b", "Allergy to penicillin", owner="clinic"),
        allergy("c", "pcn", owner="lab"),
    )
    assert [(x.text, x.status, x.confidence.value) for x in told.lines] == [
        ("Penicillin", "active", "high")
    ]
    assert len(told.lines[0].facts) == 3


@pytest.mark.parametrize(
    ("facts", "status", "reason", "found"),
    [
        ([{}], "active", "listed", set()),
        ([{"verification": "unconfirmed"}], "active", "listed-unconfirmed", set()),
        ([{"verification": "refuted"}], "refuted", "refuted", set()),
        ([{"status": "resolved"}], "resolved", "resolved", set()),
        ([{"status": "inactive"}], "inactive", "inactive", set()),
        (
            [{}, {"verification": "refuted", "said": "2025-06-01", "owner": "b"}],
            "refuted", "refuted-later", {"still-listed-elsewhere"},
        ),
        (
            [
                {"day": "2025-09-01"},
                {"verification": "refuted", "said": "2025-06-01", "owner": "b"},
            ],
            "active", "listed-after-refuted", {"refuted-elsewhere"},
        ),
        (
            [{}, {"status": "resolved", "said": "2025-06-01", "owner": "b"}],
            "active", "listed", {"resolved-elsewhere"},
        ),
    ],
)  # fmt: skip
def test_what_sources_say(
    facts: list[dict[str, Any]], status: str, reason: str, found: set[str]
) -> None:
    entries = [
        allergy(
            f"a{n}",
            "Peanut",
            f.get("day", "2025-01-01"),
            **{k: v for k, v in f.items() if k != "day"},
        )
        for n, f in enumerate(facts)
    ]
    one = line(made(*entries), "Peanut")
    assert (one.status, one.reason, misfits(one)) == (status, reason, found)


def test_criticality_and_severity_are_never_mixed() -> None:
    told = made(
        allergy("a", "Latex", criticality="low", reactions=[{"severity": "severe"}]),
        allergy("b", "Latex", criticality="high", reactions=[{"severity": "mild"}],
                owner="b"),
    )  # fmt: skip
    one = line(told, "Latex")
    assert (one.detail["criticality"], one.detail["severity"]) == ("high", "severe")
    assert misfits(one) == {"criticality-differs", "severity-differs"}
    alone = line(made(allergy("c", "Egg", reactions=[{"severity": "severe"}])), "Egg")
    assert "criticality" not in alone.detail
    assert alone.detail["severity"] == "severe"


def test_none_known_stands_only_where_nothing_is() -> None:
    nka = allergy("n", "NKA", code="urn:x|NKA")
    assert line(made(nka), "No known allergies").reason == "none-known"
    later = allergy("a", "Codeine", "2025-03-01", owner="clinic")
    told = made(nka, later)
    assert line(told, "No known allergies").reason == "denial-overtaken"
    assert line(told, "No known allergies").status == "inactive"
    assert misfits(line(told, "Codeine")) == set()
    earlier = allergy("a", "Codeine", "2020-03-01", owner="clinic")
    told = made(nka, earlier)
    assert line(told, "No known allergies").reason == "denial-contradicted"
    assert (line(told, "Codeine").status, misfits(line(told, "Codeine"))) == (
        "active", {"listed-and-denied"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "other", "reason"),
    [
        ("No known drug allergies", "Peanut", "none-known"),
        ("NKDA", "Aspirin", "denial-contradicted"),
        ("No known medication allergies (asked)", "Aspirin", "denial-contradicted"),
        ("No known food allergy", "Peanut", "denial-contradicted"),
        ("No known environmental allergies", "Aspirin", "none-known"),
    ],
)
def test_a_denial_speaks_of_its_kind_only(text: str, other: str, reason: str) -> None:
    told = made(allergy("n", text, "2026-01-01"), allergy("a", other, owner="b"))
    assert next(x for x in told.lines if x.detail["substance"] == "none").reason == reason


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("No known allergies except penicillin", "Penicillin"),
        ("No known allergies with the exception of codeine.", "Codeine"),
        ("None known besides peanuts", "Peanut"),
        ("Denies allergies other than sulfa", "Sulfonamide antibiotics"),
        ("no allergies recorded; penicillin rash", "no allergies recorded; penicillin rash"),
        ("No known allergies to drugs; latex", "No known allergies to drugs; latex"),
        ("No known allergies, latex", "No known allergies, latex"),
        ("No known drug allergies; food allergy", "No known drug allergies; food allergy"),
        ("No drug; food allergy", "No drug; food allergy"),
        ("None known but codeine and latex", "None known but codeine and latex"),
        ("No known allergies except moon dust", "No known allergies except moon dust"),
    ],
)
def test_a_denial_that_says_more_denies_nothing(text: str, found: str) -> None:
    (one,) = made(allergy("a", text)).lines
    assert (one.text, one.status) == (found, "active")
    assert one.detail.get("substance") != "none"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("No known allergies except penicillin", "Penicillin"),
        ("NKA except moon dust", "NKA except moon dust"),
        ("No known allergies, verified by RN", "No known allergies"),
    ],
)
def test_a_coded_denial_does_not_hide_the_exception_in_its_words(text: str, found: str) -> None:
    (one,) = made(allergy("a", text, code="urn:x|NKA")).lines
    assert one.text == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("None known", "No known allergies"),
        ("NKDA.", "No known drug allergies"),
        ("Denies any known allergies - asked at present", "No known allergies"),
        ("No known allergies (NKA)", "No known allergies"),
        ("no known allergies to food", "No known food allergies"),
        ("No known latex allergy", "No known latex allergy"),
        ("no allergy to latex", "No known latex allergy"),
        ("No known food or latex allergies", "No known food allergies"),
        ("No known drug allergies, no known food allergies", "No known drug allergies"),
    ],
)
def test_a_denial_in_other_words_is_one(text: str, found: str) -> None:
    (one,) = made(allergy("a", text)).lines
    assert (one.text, one.reason) == (found, "none-known")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("Positive; placebo negative", "challenge-positive"),
        ("Failed: anaphylaxis at step 3, step 1 tolerated", "challenge-positive"),
        ("Reaction at 500 mg, no reaction at 50 mg", "challenge-positive"),
        ("Not negative", "challenge-positive"),
        ("Not tolerated.", "challenge-positive"),
        ("Step 1 tolerated, anaphylaxis at step 3", "listed"),
        ("Tolerated 50 mg; hives at 500 mg", "listed"),
        ("Negative control passed, drug positive", "listed"),
        ("Positive control 5 mm, placebo negative", "listed"),
        ("Tolerated; no anaphylaxis, one wheal", "listed"),
        ("Tolerated.", "challenge-negative"),
        ("NEGATIVE: tolerated without reaction", "challenge-negative"),
        ("No reaction", "challenge-negative"),
        ("Not detected", "challenge-negative"),
        ("see report", "listed"),
    ],
)
def test_what_speaks_for_both_refutes_nothing(value: str, reason: str) -> None:
    told = results("c", "", "", ("2025-06-01T10:00:00Z", value), kind="text",
                   text="Amoxicillin oral challenge")  # fmt: skip
    one = line(made(allergy("a", "Amoxicillin"), told), "Amoxicillin")
    assert one.reason == reason


def test_a_tolerated_challenge_ends_it_and_a_later_listing_does_not_hide_that() -> None:
    listed = allergy("a", "Amoxicillin")
    passed = results("c", "", "", ("2025-06-01T10:00:00Z", "Tolerated"), kind="text",
                     text="Amoxicillin oral challenge")  # fmt: skip
    one = line(made(listed, passed), "Amoxicillin")
    assert (one.status, one.reason) == ("refuted", "challenge-negative")
    assert misfits(one) == {"still-listed-elsewhere"}
    again = allergy("b", "Amoxicillin", "2025-09-01", owner="b")
    one = line(made(listed, passed, again), "Amoxicillin")
    assert (one.status, misfits(one)) == ("active", {"challenge-contradicts"})
    failed = results("d", "", "", ("2025-07-01T10:00:00Z", "Positive: urticaria"), kind="text",
                     text="Challenge, amoxicillin")  # fmt: skip
    assert line(made(listed, failed), "Amoxicillin").reason == "challenge-positive"


def test_a_test_alone_refutes_nothing() -> None:
    ige = results("c", "", "", ("2025-06-01T10:00:00Z", "Negative"), kind="text", text="Peanut IgE")
    one = line(made(allergy("a", "Peanut"), ige), "Peanut")
    assert one.status == "active"
    assert "test-negative" in one.because


def test_drugs_that_were_taken_since() -> None:
    drug = allergy("a", "Amoxicillin", "2025-01-01")
    before = doses("m", "Amoxicillin 250 mg capsule", "2024-12-01")
    assert misfits(line(made(drug, before), "Amoxicillin")) == set()
    after = doses("m", "Amoxicillin 250 mg capsule", "2025-12-01")
    assert misfits(line(made(drug, after), "Amoxicillin")) == {"taken-despite-allergy"}
    refused = doses("m", "Amoxicillin 250 mg capsule", "2025-12-01", status="not-done")
    assert misfits(line(made(drug, refused), "Amoxicillin")) == set()
    other = line(made(allergy("a", "Penicillin"), after), "Penicillin")
    assert misfits(other) == {"related-taken"}
    group = line(
        made(allergy("a", "Penicillins", code=f"{SNOMED}|764146007"), after), "Penicillins"
    )
    assert misfits(group) == {"member-tolerated"}


def test_a_class_whose_member_was_refuted_says_so() -> None:
    told = made(
        allergy("a", "Penicillin class"),
        allergy("b", "Amoxicillin", verification="refuted", owner="b"),
    )
    assert misfits(line(told, "Penicillins")) == {"member-tolerated"}


def test_what_is_in_no_table_stays_what_its_source_calls_it() -> None:
    told = made(allergy("a", "Moon dust"), allergy("b", "moon  DUST", owner="b"), allergy("c", ""))
    assert {(x.text, len(x.facts)) for x in told.lines} == {
        ("Moon dust", 2),
        ("Unnamed allergen", 1),
    }
    assert all("substance-unresolved" in x.because for x in told.lines)


def _decision(said: str, day: str = "2026-02-01") -> Decision:
    key, at_us = "substance:peanut", to_us(day)
    return Decision("d", ListKind.ALLERGIES, key, said, "user:ada", at_us, "house", ("a",))


def test_a_decision_holds_until_something_newer_contradicts_it() -> None:
    listed = allergy("a", "Peanut")
    one = line(made(listed, decisions=(_decision("refuted"),)), "Peanut")
    assert (one.status, one.reason, one.decided.by) == ("refuted", "clinician-decided", "user:ada")
    repeated = allergy("a", "Peanut", said="2026-05-01")
    assert line(made(repeated, decisions=(_decision("refuted"),)), "Peanut").status == "refuted"
    newly = allergy("b", "Peanut", "2026-05-01", owner="clinic")
    one = line(made(listed, newly, decisions=(_decision("refuted"),)), "Peanut")
    assert (one.status, one.decided.stale) == ("active", True)
    assert "changed-since-reconciled" in misfits(one)


def test_a_decision_finds_its_line_by_what_it_was_about_and_never_disappears() -> None:
    renamed = Decision(
        "d", ListKind.ALLERGIES, "text:erdnuss", "refuted", "user:ada", NOW_US, "house", ("a",),
        "Erdnuss",
    )  # fmt: skip
    known = allergy("a", "Erdnuss", codes=["http://snomed.info/sct|762952008"])
    assert line(made(known, decisions=(renamed,)), "Peanut").status == "refuted"
    rewritten = made(allergy("a", "Latex"), decisions=(renamed,))
    assert line(rewritten, "Latex").status == "active", "another substance by the same id"
    assert line(rewritten, "Erdnuss").status == "refuted"
    alone = line(made(decisions=(renamed,)), "Erdnuss")
    assert (alone.status, alone.facts) == ("refuted", ())


def test_decisions_come_from_the_feed_of_people_only() -> None:
    from chartloom.chart.reconcile import decisions_of

    entry = {
        "section": Section.DECISIONS, "owner": "house", "id": "d", "type": "List", "sort_us": 5,
        "said_us": 5, "list": "48765-2", "key": "substance:peanut", "said": "refuted",
        "by": "user:ada", "time": "2026-02-01", "items": ["a"],
    }  # fmt: skip
    told = chart(allergy("a", "Peanut"), entry)
    assert decisions_of(told, {"d": "clinic"}) == ()
    assert decisions_of(told, {}) == ()
    (found,) = decisions_of(told, {"d": "steward"})
    assert (found.said, found.by, found.items) == ("refuted", "user:ada", ("a",))
    taken_back = chart({**entry, "said": "withdrawn"})
    assert decisions_of(taken_back, {"d": "steward"})[0].said == ""
    assert decisions_of(chart({**entry, "said": "explode"}), {"d": "steward"}) == ()


def test_a_denial_of_latex_denies_nothing_else() -> None:
    told = made(
        allergy("a", "Latex", "2020-01-01"),
        allergy("b", "Bee venom", "2020-01-01"),
        allergy("n", "no allergy to latex", "2026-01-01"),
    )
    assert "listed-and-denied" in misfits(line(told, "Latex"))
    (bee,) = (x for x in told.lines if x.text.casefold().startswith("bee"))
    assert misfits(bee) == set()
