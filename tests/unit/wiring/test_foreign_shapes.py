"""What is evaluated and in which shape it comes; what is said of groups of names."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from chartloom.cli import app
from chartloom.domain.errors import ConfigurationError
from chartloom.registry.persons import Clusters
from chartloom.registry.persons.metrics import beside_the_whole
from chartloom.wiring.identity.labelled_file import read_labelled

PATIENTS = "".join(
    f'{{"resourceType":"Patient","id":"{i}","name":[{{"family":"Rowe","given":["Flynn"]}}]}}\n'
    for i in "ab"
)


@pytest.mark.parametrize(
    "truth",
    ["id,person\na,1\nb,2\n", "person,id\n1,a\n2,b\n", "id,person\nPatient/a,1\nPatient/b,2\n"],
)
def test_patients_with_labels_in_a_file_of_their_own(tmp_path: Path, truth: str) -> None:
    file, labels = tmp_path / "p.ndjson", tmp_path / "t.csv"
    file.write_text(PATIENTS, encoding="utf-8")
    labels.write_text(truth, encoding="utf-8")
    assert [(r.id, r.person) for r in read_labelled(file, truth=labels)] == [("a", "1"), ("b", "2")]


def test_the_columns_of_openempi(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text(
        "personIdentifier,givenName,familyName,dateOfBirth,goldRecordId\nN:1,Flynn,Rowe,10/13/1965,7\n",
        encoding="utf-8",
    )
    (row,) = read_labelled(file)
    assert (row.id, row.person, row.patient["birthDate"]) == ("N:1", "7", "1965-10-13")


def test_messages_are_told_for_what_they_are(tmp_path: Path) -> None:
    file = tmp_path / "x.hl7"
    file.write_text("MSH|^~\\&|A|B\rPID|1||12^^^H^MR||ROWE^FLYNN\r", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="HL7 v2"):
        read_labelled(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such file") as found:
        read_labelled(tmp_path / "gone.csv")
    assert found.value.where.endswith("gone.csv")


def test_groups_stand_beside_the_whole() -> None:
    """100 persons of two records each in x, of which 2 are torn; in y 10 of 10, in z 1 of 4."""
    truth, person, groups = {}, {}, {}
    for group, size, torn in (("x", 400, 8), ("y", 20, 20), ("z", 10, 1)):
        for n in range(size):
            for half in "ab":
                record = f"{group}{n}{half}"
                truth[record], groups[record] = f"{group}{n}", group
                person[record] = record if n < torn else f"{group}{n}a"
    found = beside_the_whole(truth, Clusters(person, ()), groups)
    assert {g: b.verdict for g, b in found.items()} == {"x": "", "y": "above", "z": ""}
    assert found["y"].ratio == pytest.approx(1 / (29 / 430), abs=0.001)
    assert all(b.low <= b.ratio <= b.high for b in found.values())
    truth["w"] = person["w"] = "w"
    groups |= {"z1a": "w", "z1b": "w", "z0a": "w", "z0b": "w"}
    assert beside_the_whole(truth, Clusters(person, ()), groups)["w"].verdict == "chance"


def test_the_report_says_the_whole_and_what_is_not_said(tmp_path: Path) -> None:
    file, page = tmp_path / "x.csv", tmp_path / "r.html"
    file.write_text(
        "id,first_name,surname,dob,sex,cluster\n1,Ann,Lee,1980-05-06,f,A\n2,Ann,Lee,1980-05-06,,A\n",
        encoding="utf-8",
    )
    said = CliRunner().invoke(app, ["identity", "evaluate", str(file), "--report", str(page)])
    assert said.exit_code == 0
    assert "the whole" in said.stdout
    assert "not said" in said.stdout
    assert "times the whole" in page.read_text(encoding="utf-8")
