"""The access rules of a site folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.labels import Label
from chartloom.guard.policy import Policies, Windows, builtin_texts
from chartloom.project.access import load_policies, load_staff, windows
from chartloom.project.check import check_site
from chartloom.project.read import load_project
from chartloom.project.sensitivity import load_labeller
from chartloom.project.template import write_site


@pytest.fixture
def site(tmp_path: Path) -> Path:
    write_site(tmp_path, name="Test")
    return tmp_path


def append(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    path.write_text(before + text, encoding="utf-8")


def test_a_new_site_has_the_built_in_rules(site: Path) -> None:
    assert check_site(site)[0] == []
    project = load_project(site)
    assert load_policies(project).version == Policies(builtin_texts()).version
    assert windows(project) == Windows()
    assert load_staff(project).staff == ()


def test_settings(site: Path) -> None:
    append(site / "chartloom.toml", "\n[access]\nattending_days = 3\ngrant_ttl_s = 60\n")
    project = load_project(site)
    assert windows(project) == Windows(attending_days=3)
    assert load_policies(project)._ttl_s == 60
    feed = (site / "feeds" / "lab.toml").read_text(encoding="utf-8")
    (site / "feeds" / "lab.toml").write_text("sensitive = true\n" + feed, encoding="utf-8")
    assert {f.name for f in load_project(site).feeds if f.sensitive} == {"lab"}


def test_findings_name_file_and_line(site: Path) -> None:
    append(site / "policies" / "site.cedar", '// ours\n@id("x")\nforbid (principal, action);\n')
    append(site / "staff.toml", '\n[[staff]]\nsubject = "a"\nname = "A"\nroles = ["king"]\n')
    append(site / "sensitivity" / "site.csv", "system,code,label,basis\nICD10,F1*,NO,x\n")
    found = {(f.file, f.line) for f in check_site(site)[0]}
    staff_line = (site / "staff.toml").read_text(encoding="utf-8").splitlines().index(
        "[[staff]]"
    ) + 1
    assert found == {
        ("policies/site.cedar", 2),
        ("staff.toml", staff_line),
        ("sensitivity/site.csv", 2),
    }
    project = load_project(site)
    for load in (load_policies, load_staff, load_labeller):
        with pytest.raises(ConfigurationError):
            load(project)


def test_an_emptied_folder_of_policies_is_an_error(site: Path) -> None:
    for file in (site / "policies").glob("*.cedar"):
        file.unlink()
    assert [f.what for f in check_site(site)[0]] == [
        "There is no policy, so that nobody may do anything."
    ]


def test_a_site_without_the_folder_has_the_built_in_ones(site: Path) -> None:
    for file in (site / "policies").glob("*.cedar"):
        file.unlink()
    (site / "policies").rmdir()
    (site / "staff.toml").unlink()
    assert check_site(site)[0] == []
    assert load_policies(load_project(site)).names


def test_own_sensitivity_rules(site: Path) -> None:
    append(site / "sensitivity" / "site.csv", "system,code,label,basis\nurn:x:lab,H1,HIV,ours\n")
    labeller = load_labeller(load_project(site))
    coded = {"coding": [{"system": "urn:x:lab", "code": "H1"}]}
    assert labeller.labels_of({"resourceType": "Observation", "code": coded}) == {Label.HIV}
