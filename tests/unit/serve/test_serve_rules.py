"""A rule leads to its row in the tables, the site's own first."""

from __future__ import annotations

from chartloom.serve.rules import rows_of

BASE = b"""source,target,via,value,rule
# a remark
PID-5,name[],XPN.HumanName
PID-8,gender,CWE.code,,PID-8>Patient.gender#2
,active,boolean,true
"""
FILES = {
    "segments/PID.Patient.csv": BASE,
    "overlay/segments/PID.Patient.csv": b"source,target,via\nPID-5,name[],own\n",
    "concepts/gender.csv": b"source,target\nPID-5,name[]\n",
}


def test_a_rule_leads_to_its_row_and_the_sites_own_comes_first() -> None:
    rows = rows_of(FILES, ["PID-5>Patient.name[]"])
    assert [r.place for r in rows] == [
        "overlay/segments/PID.Patient.csv, line 2",
        "segments/PID.Patient.csv, line 3",
    ]
    assert dict(rows[1].cells) == {"source": "PID-5", "target": "name[]", "via": "XPN.HumanName"}


def test_named_rules_and_constants() -> None:
    rows = rows_of(FILES, ["=true>Patient.active", "PID-8>Patient.gender#2"])
    assert [r.rule for r in rows] == ["=true>Patient.active", "PID-8>Patient.gender#2"]


def test_rules_without_tables_have_a_sentence() -> None:
    (row,) = rows_of({}, ["fhir:copy", "fhir:copy", "unknown"])
    assert row.sentence.startswith("Taken over")
