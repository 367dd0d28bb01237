"""Labelled files: columns by their usual names, the truth wherever it stands, clear refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chartloom.cli import app
from chartloom.domain.errors import ConfigurationError
from chartloom.registry.persons import default_parameters, standardise
from chartloom.wiring.identity.evaluation import as_json, evaluate
from chartloom.wiring.identity.labelled_file import TRUTH_SYSTEM, read_labelled
from chartloom.wiring.identity.page import page


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_febrl_columns_and_truth(tmp_path: Path) -> None:
    file = written(
        tmp_path / "febrl.csv",
        "rec_id, given_name, surname, street_number, address_1, address_2, suburb, postcode, "
        "date_of_birth, soc_sec_id\n"
        "rec-12-org, michaela, neumann, 8, stanley street, miami, winston hills, 4223, "
        "19151111, 5304218\n"
        "rec-12-dup-0, michaella, neumann, 8, stanley st, , winston hills, 4223, "
        "19151111, 5304218\n",
    )
    one, other = read_labelled(file)
    assert (one.person, other.person) == ("12", "12")
    record = standardise(one.patient)
    assert (record.families, record.givens, record.birth) == (
        ("neuman",),
        ("michala",),
        "19151111",
    )
    assert (record.homes[0].house, record.homes[0].postal) == ("8", "4223")
    assert record.numbers[0].value == "5304218"
    assert evaluate([one, other], default_parameters()).report.pairs.f1 == 1.0


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        (("03/25/1980", "04/05/1980"), "19800405"),
        (("25/03/1980", "04/05/1980"), "19800504"),
        (("1980-03-25", "1980-04-05"), "19800405"),
    ],
)
def test_dates_as_the_whole_file_writes_them(
    tmp_path: Path, dates: tuple[str, str], expected: str
) -> None:
    lines = "".join(f"{i};Ann;Lee;{d};p\n" for i, d in enumerate(dates))
    rows = read_labelled(written(tmp_path / "x.csv", f"id;first;last;dob;person\n{lines}"))
    assert standardise(rows[1].patient).birth == expected


def test_the_truth_in_a_patient_is_not_shown_to_the_matcher(tmp_path: Path) -> None:
    patient = {
        "resourceType": "Patient",
        "id": "r1",
        "identifier": [{"system": TRUTH_SYSTEM, "value": "P1"}],
        "name": [{"family": "Lee", "given": ["Ann"]}],
    }
    (row,) = read_labelled(written(tmp_path / "x.ndjson", json.dumps(patient) + "\n"))
    assert row.person == "P1"
    assert standardise(row.patient).numbers == ()


def test_a_truth_file_of_its_own(tmp_path: Path) -> None:
    file = written(tmp_path / "x.csv", "id,first,last\n1,Ann,Lee\n2,Anna,Lee\n")
    truth = written(tmp_path / "truth.csv", "id,person\n1,A\n2,A\n")
    assert [r.person for r in read_labelled(file, truth=truth)] == ["A", "A"]


@pytest.mark.parametrize("person", ["", "P7"])
def test_a_truth_of_other_ids_is_refused_with_words(tmp_path: Path, person: str) -> None:
    """Also where the records say themselves who they are: it was given to be used."""
    file = written(tmp_path / "x.csv", f"id,first,last,person\n1,Ann,Lee,{person}\n")
    truth = written(tmp_path / "truth.csv", "id,person\nrec-1,A\nrec-2,A\n")
    with pytest.raises(ConfigurationError, match="None of the 1 record ids") as refused:
        read_labelled(file, truth=truth)
    assert "--column id=NAME" in str(refused.value.cure)
    assert str(refused.value.where) == str(truth)


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [
        ("id,x,y\n1,2,3\n", {}, "looks like a name"),
        ("id,first,last\n1,a,b\n1,c,d\n", {}, "stands twice"),
        ("id,first,last\n1,a,b\n", {"nose": "x"}, "no field nose"),
    ],
)
def test_what_cannot_be_read_is_said(
    tmp_path: Path, text: str, columns: dict[str, str], expected: str
) -> None:
    with pytest.raises(ConfigurationError, match=expected):
        read_labelled(written(tmp_path / "x.csv", text), columns)


def test_without_truth_nothing_is_evaluated(tmp_path: Path) -> None:
    rows = read_labelled(written(tmp_path / "x.csv", "id,first,last\n1,Ann,Lee\n"))
    with pytest.raises(ConfigurationError, match="which person"):
        evaluate(rows, default_parameters())


def test_make_evaluate_and_train_from_the_command_line(tmp_path: Path) -> None:
    runner, file = CliRunner(), tmp_path / "made.ndjson"
    made = runner.invoke(app, ["identity", "make", str(file), "--people", "150", "--seed", "4"])
    assert made.exit_code == 0, made.output
    report, out = tmp_path / "report.html", tmp_path / "matcher.json"
    done = runner.invoke(
        app, ["identity", "evaluate", str(file), "--report", str(report), "--json"]
    )
    assert done.exit_code == 0, done.output
    result = json.loads(done.output)
    assert result["auto_links"]["precision"] >= 0.99
    assert result["groups"]["group"]["anglo"]["records"] > 10
    html = report.read_text(encoding="utf-8")
    assert html.count("<svg") >= 4
    trained = runner.invoke(app, ["identity", "train", str(file), "--out", str(out)])
    assert trained.exit_code == 0, trained.output
    again = runner.invoke(app, ["identity", "evaluate", str(file), "--parameters", str(out)])
    assert again.exit_code == 0, again.output


def test_examples_and_page_carry_no_values(tmp_path: Path) -> None:
    lines = "1,Zebulon,Quixote,1980-05-06,A\n2,Aurelia,Farquhar,1991-07-08,A\n"
    rows = read_labelled(written(tmp_path / "x.csv", f"id,first,last,dob,person\n{lines}"))
    result = evaluate(rows, default_parameters())
    assert result.examples
    text = (json.dumps(as_json(result)) + page(result, "t")).casefold()
    assert not any(v in text for v in ("zebulon", "quixote", "aurelia", "farquhar", "05-06"))
