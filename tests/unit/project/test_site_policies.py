"""A site's own policies beside those that are shipped: told, shown, taken over one by one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chartloom.cli import app
from chartloom.domain.errors import ConfigurationError
from chartloom.guard.policy import builtin_texts, check_policies
from chartloom.guard.policy.shipped import (
    Standing,
    compare,
    digest,
    ever_shipped,
    name_of,
    shipped,
)
from chartloom.guard.policy.split import statements
from chartloom.project import load_project, write_site
from chartloom.project.check import check_site, notes_on
from chartloom.project.policies import adopt, compared, decline, policy_notes
from chartloom.wiring.doctor import examine

RUN = CliRunner()
#: As it was shipped before systems could ask who somebody is.
OLD_CONSENT = """@id("consent-person")
forbid (
  principal,
  action in [Action::"view_chart", Action::"view_evidence", Action::"view_message",
             Action::"export"],
  resource is Person
)
when { resource.denied.contains("*") }
unless { context.purpose == "BTG" && resource.glass };"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site of before: no identity.cedar, an older consent.cedar, one policy changed, one own."""
    folder = tmp_path / "site"
    write_site(folder, name="site")
    at = folder / "policies"
    (at / "identity.cedar").unlink()
    consent = at / "consent.cedar"
    text = consent.read_text()
    (now,) = [s.text for s in statements("", text) if name_of(s) == "consent-person"]
    consent.write_text(text.replace(now, OLD_CONSENT))
    care = at / "care.cedar"
    care.write_text(care.read_text().replace('@id("care-search")', '@id("our-own-search")'))
    glass = at / "glass.cedar"
    changed = glass.read_text().replace('"clinician"', '"administrator"', 1)
    assert changed != glass.read_text()
    glass.write_text(changed)
    return folder


def standings(folder: Path) -> dict[str, Standing]:
    found = {one.name: one.standing for one in compared(load_project(folder))}
    return {name: s for name, s in found.items() if s is not Standing.SAME}


IDENTITY = {name_of(s) for s in statements("", builtin_texts()["identity.cedar"])}


def test_what_is_shipped_now_stands_last_on_the_list_of_what_ever_was() -> None:
    """Whoever changes a shipped policy adds a line to shipped.csv, so that sites are told."""
    for name, policy in shipped().items():
        assert ever_shipped()[name][-1:] == (digest(policy.text),), name
    assert digest(OLD_CONSENT) in ever_shipped()["consent-person"][:-1]


def test_a_text_is_told_apart_by_what_it_says() -> None:
    one = '@id("x")\npermit (principal, action, resource); // all'
    assert digest(one) == digest('// so\n@id("x") permit\n (principal,  action, resource);')
    assert digest(one) != digest('@id("x") permit (principal, action, resource) when { "// all" };')
    assert digest('@id("x y")') != digest('@id("x  y")')


def test_a_new_site_has_nothing_to_decide(tmp_path: Path) -> None:
    write_site(tmp_path / "new", name="new")
    assert standings(tmp_path / "new") == {}
    assert compare({}) != []
    said = RUN.invoke(app, ["policies", "--site", str(tmp_path / "new")])
    assert "In order" in said.stdout


def test_a_site_of_before_is_told_what_it_lacks_has_older_and_has_changed(site: Path) -> None:
    found = standings(site)
    changed = [name for name, s in found.items() if s is Standing.CHANGED]
    assert len(changed) == 1
    assert found.pop(changed[0])
    assert found == {
        **dict.fromkeys(IDENTITY, Standing.LACKING),
        "care-search": Standing.LACKING,
        "consent-person": Standing.OLDER,
        "our-own-search": Standing.OWN,
    }
    findings, _ = check_site(site)
    assert findings == [], "nothing is wrong"
    assert {note.key for note in notes_on(site)} == {*IDENTITY, "care-search", "consent-person"}
    (older,) = [n for n in notes_on(site) if n.key == "consent-person"]
    assert (older.file, older.line > 0) == ("policies/consent.cedar", True)
    assert "+1 -1 lines" in older.what or "lines" in older.what


def test_check_and_doctor_say_so(site: Path) -> None:
    said = RUN.invoke(app, ["check", "--site", str(site)])
    assert said.exit_code == 0
    assert "consent-person" in said.stdout
    assert "chartloom policies show" in said.stdout
    told = json.loads(RUN.invoke(app, ["check", "--site", str(site), "--json"]).stdout)
    assert (told["ok"], len(told["notes"])) == (True, len(IDENTITY) + 2)
    (result,) = [r for r in examine(site) if r.check == "policies"]
    assert not result.ok
    assert "care-search" in result.seen


def test_they_are_taken_over_one_by_one_and_nothing_else_changes(site: Path) -> None:
    project = load_project(site)
    before = {p.name: p.read_text() for p in (site / "policies").iterdir()}
    adopt(project, "consent-person")
    after = {p.name: p.read_text() for p in (site / "policies").iterdir()}
    assert after["consent.cedar"] == builtin_texts()["consent.cedar"]
    assert before | {"consent.cedar": ""} == after | {"consent.cedar": ""}
    for name in sorted({*IDENTITY, "care-search"}):
        adopt(project, name)
    assert policy_notes(project) == []
    texts = {p.name: p.read_text() for p in (site / "policies").glob("*.cedar")}
    assert check_policies(texts) == []
    assert "our-own-search" in texts["care.cedar"]
    with pytest.raises(ConfigurationError, match="as it is shipped"):
        adopt(project, "consent-person")


def test_what_the_site_changed_is_lost_only_on_its_word(site: Path) -> None:
    project = load_project(site)
    (name,) = [n for n, s in standings(site).items() if s is Standing.CHANGED]
    kept = (site / "policies" / "glass.cedar").read_text()
    with pytest.raises(ConfigurationError, match="has changed"):
        adopt(project, name)
    assert (site / "policies" / "glass.cedar").read_text() == kept
    adopt(project, name, replace=True)
    assert (site / "policies" / "glass.cedar").read_text() == builtin_texts()["glass.cedar"]


def test_what_would_not_be_in_order_is_not_written(site: Path) -> None:
    broken = site / "policies" / "ours.cedar"
    broken.write_text("permit (principal, action, resource);\n")
    kept = (site / "policies" / "consent.cedar").read_text()
    with pytest.raises(ConfigurationError, match="would not be in order"):
        adopt(load_project(site), "consent-person")
    assert (site / "policies" / "consent.cedar").read_text() == kept


def test_declining_holds_for_the_text_that_was_declined(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = load_project(site)
    decline(project, "care-search", "nobody searches, here")
    assert standings(site)["care-search"] is Standing.DECLINED
    assert "care-search" not in {note.key for note in policy_notes(project)}
    with pytest.raises(ConfigurationError, match="nothing to decide"):
        decline(project, "our-own-search", "x")
    monkeypatch.setattr("chartloom.guard.policy.shipped.digest", lambda _: "another text")
    assert standings(site)["care-search"] is Standing.LACKING
    monkeypatch.undo()
    adopt(project, "care-search")
    assert "care-search" not in (site / "policies" / "declined.csv").read_text()


def test_the_commands(site: Path) -> None:
    def run(*words: str) -> tuple[int, str]:
        said = RUN.invoke(app, ["policies", *words, "--site", str(site)])
        return said.exit_code, said.stdout

    listed = json.loads(run("--json")[1])
    assert {one["standing"] for one in listed} == {"lacking", "older", "changed"}
    code, diff = run("show", "consent-person")
    assert (code, '+             Action::"export", Action::"identify_person"],' in diff) == (
        0,
        True,
    )
    assert run("adopt", "consent-person")[0] == 0
    assert run("decline", "care-search", "--reason", "no")[0] == 0
    assert isinstance(RUN.invoke(app, ["policies", "show", "x", "--site", str(site)]).exception,
                      ConfigurationError)  # fmt: skip


def test_what_is_not_shipped_or_not_there_is_not_taken_over(site: Path) -> None:
    project = load_project(site)
    before = {p.name: p.read_text() for p in (site / "policies").iterdir()}
    with pytest.raises(ConfigurationError, match="is shipped"):
        adopt(project, "our-own-search")
    for decide in (adopt, lambda p, name: decline(p, name, "x")):
        with pytest.raises(ConfigurationError, match="no such policy"):
            decide(project, "nothing-of-the-kind")
    assert {p.name: p.read_text() for p in (site / "policies").iterdir()} == before


def test_a_site_without_policies_of_its_own_takes_none_over(site: Path) -> None:
    (site / "policies").rename(site / "elsewhere")
    with pytest.raises(ConfigurationError, match="no policies of its own"):
        adopt(load_project(site), "consent-person")


def test_a_list_of_declined_ones_with_other_columns_is_not_guessed_at(site: Path) -> None:
    declined = site / "policies" / "declined.csv"
    declined.write_text("name,reason,digest\ncare-search,no,abc\n")
    with pytest.raises(ConfigurationError, match="other columns"):
        compared(load_project(site))


def test_a_difference_is_counted_without_what_stands_around_it(site: Path) -> None:
    (older,) = [c for c in compared(load_project(site)) if c.name == "consent-person"]
    lines = older.diff().splitlines()[2:]
    added = sum(line.startswith("+") for line in lines)
    assert older.summary == f"+{added} -{sum(x.startswith('-') for x in lines)} lines"
