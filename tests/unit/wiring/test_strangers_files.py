"""Labelled files as strangers make them: encodings, pairs, arrays, columns of other names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chartloom.cli import app
from chartloom.domain.errors import ConfigurationError
from chartloom.registry.persons import default_parameters, standardise
from chartloom.wiring.identity.evaluation import evaluate
from chartloom.wiring.identity.labelled_file import read_labelled, read_standardised

HEAD = "unique_id,first_name,surname,dob,cluster\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_accents_in_any_usual_encoding(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "x.csv"
    file.write_bytes(f"{HEAD}1,Zoë,Müller,1980-05-06,A\n".encode(encoding))
    (row,) = read_labelled(file)
    assert (row.id, row.person) == ("1", "A")
    assert standardise(row.patient).families == ("muler",)
    assert row.patient["name"][0]["given"] == ["Zoë"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("06-05-1980", "19800605"),
        ("1980/5/6", "19800506"),
        ("06/05/1980 00:00", "19800605"),
        ("19800506", "19800506"),
    ],
)
def test_dates_as_people_write_them(tmp_path: Path, said: str, expected: str) -> None:
    file = tmp_path / "x.csv"
    file.write_text(f"{HEAD}1,Ann,Lee,{said},A\n", encoding="utf-8")
    assert standardise(read_labelled(file)[0].patient).birth == expected


@pytest.mark.parametrize("shape", ["array", "bundle", "lines"])
def test_patients_with_a_label_of_their_own(tmp_path: Path, shape: str) -> None:
    patients = [
        {"resourceType": "Patient", "id": f"r{n}", "enterpriseId": 7, "name": [{"family": "Lee"}]}
        for n in range(2)
    ]
    whole: object = patients
    if shape == "bundle":
        whole = {"resourceType": "Bundle", "entry": [{"resource": p} for p in patients]}
    text = (
        "\n".join(json.dumps(p) for p in patients)
        if shape == "lines"
        else json.dumps(whole, indent=1)
    )
    file = tmp_path / "x.json"
    file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    rows = read_labelled(file)
    assert [(r.id, r.person) for r in rows] == [("r0", "7"), ("r1", "7")]


def test_pairs_instead_of_persons(tmp_path: Path) -> None:
    file, pairs = tmp_path / "x.csv", tmp_path / "pairs.csv"
    lines = "".join(f"{n};Ann;Lee\n" for n in "abcde")
    file.write_text(f"rec_id;first;last\n{lines}", encoding="utf-8")
    pairs.write_text("id1;id2;match\nb;a;1\nc;b;TRUE\nd;e;0\n", encoding="utf-8")
    rows, records = read_standardised(file, pairs=pairs)
    assert {r.id: r.person for r in rows} == dict(zip("abcde", "aaade", strict=True))
    assert len(records) == 5
    assert all(not r.patient for r in rows)
    pairs.write_text("id1,id2\na,b\na,z\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="1 of 2 pairs"):
        read_standardised(file, pairs=pairs)


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("id,LNAME,FNAME\n1,Lee,Ann\n", "family=NAME1", "no column NAME1"),
        ("id,a,b\n1,Lee,Ann\n", "", "The file has: id, a, b"),
        ("id,first,last\n1,Ann,Lee\n2,Al,Poe\n", "", "No record says which person"),
        ("id,first,last,person\n1,Ann,Lee,A\n2,Al,Poe,\n", "", "1 of 2 do not say"),
        ("id,first,last,person\n", "", "no records"),
    ],
)
def test_what_is_wrong_and_what_to_do(
    tmp_path: Path, text: str, column: str, expected: str
) -> None:
    file = tmp_path / "x.csv"
    file.write_text(text, encoding="utf-8")
    asked = ["identity", "evaluate", str(file)] + (["--column", column] if column else [])
    done = CliRunner().invoke(app, asked, env={"COLUMNS": "300"})
    said = f"{done.exception} {getattr(done.exception, 'cure', '')} {done.output}"
    assert done.exit_code != 0
    assert expected in said


def test_how_far_it_is_is_told(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    lines = "".join(f"{n},Ann,Lee,1980-05-06,A\n" for n in range(6))
    file.write_text(f"{HEAD}{lines}", encoding="utf-8")
    rows, records = read_standardised(file)
    told: list[tuple[str, int, int]] = []
    evaluate(
        rows,
        default_parameters(),
        records,
        told=lambda stage, done, total: told.append((stage, done, total)),
    )
    last = {stage: (done, total) for stage, done, total in told}
    assert last["keys"] == (6, 6)
    assert last["comparing"] == (15, 15)
    assert last["candidates"][0] == last["candidates"][1]
