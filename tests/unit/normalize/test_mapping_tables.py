"""Tables are read strictly, overlays go on top, and what is compiled can be inspected."""

from __future__ import annotations

import ast
from importlib import resources

import pytest
from tests.support.derive import FEED, PID, message, only, text

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.resource import Derived
from chartloom.normalize import builtin_files, code_version, load_mapping
from chartloom.normalize.mapping import Hl7Mapping
from chartloom.normalize.sensitivity import builtin

HEAD = b"source,target,via,concept,value,when,is,weak,ignore,rule\n"


def derive(overlay: dict[str, bytes], *segments: str) -> Derived:
    mapping = load_mapping("hl7v2", overlay)
    return mapping.derive(message(text("ADT^A08", PID, *segments)), FEED, EXAMPLE_NAMESPACE)


@pytest.mark.parametrize(
    ("path", "content", "where", "said"),
    [
        ("segments/PID.Patient.csv", b"sauce,target\nPID-5,x\n", ":1", "unknown column 'sauce'"),
        ("segments/PID.Patient.csv", HEAD + b"PID_5,name[]\n", ":2", "'PID_5' is not a field"),
        ("segments/PID.Patient.csv", HEAD + b"PV1-5,name[]\n", ":2", "PV1-5 is not in PID"),
        ("segments/PID.Patient.csv", HEAD + b"PID-5,Na me\n", ":2", "is not an element"),
        ("segments/PID.Patient.csv", HEAD + b"PID-5,name[]\n", ":2", "no datatype map ''"),
        ("segments/PID.Patient.csv", HEAD + b"PID-5,name[],X.Y\n", ":2", "no datatype map 'X.Y'"),
        ("segments/PID.Patient.csv", HEAD + b"PID-8,gender,CWE.code,nope\n", ":2", "nope.csv"),
        ("segments/PID.Patient.csv", HEAD + b"PID-5,name[],ST.string,gender\n", ":2", "no concept"),
        ("segments/PID.Patient.csv", HEAD + b"PID-5,name[],ST.string:x\n", ":2", "no parameter"),
        ("segments/PID.Patient.csv", HEAD + b"PID-5,\n", ":2", "either has a target"),
        ("segments/PID.Patient.csv", HEAD + b",x,,,v,PID-5,\n", ":2", "'is' is empty"),
        ("segments/PID.Patient.csv", HEAD + b",x,,,v,PID-5;PID-6,a\n", ":2", "do not pair up"),
        ("segments/PID.Patient.csv", HEAD + b"PID-5,extension[zz].valueString,ST.string\n", ":2", "no known extension"),  # noqa: E501
        ("segments/PID.Patient.csv", HEAD + b"PID-5..7,name,ST.string\n", ":2", "only be ignored"),
        ("segments/PID.Patient.csv", HEAD + b"PID-5,x[],ST.string\nPID-5,x[],ST.string\n", ":3", "occurs twice"),  # noqa: E501
        ("segments/PID.Patient.csv", HEAD + b"PID-7,x[],DTM.date\n", ":2", "can not fill a list"),
        ("segments/PID.Patient.csv", "ü".encode("latin-1"), ":1", "not UTF-8"),
        ("segments/PID.csv", HEAD, "segments/PID.csv", "says no target"),
        ("surprise.csv", HEAD, "surprise.csv", "no kind of table"),
        ("concepts/gender.csv", b"source,system,code\n,x,y\n", ":2", "'source' is empty"),
        ("messages/ADT.toml", b"typos = 1\n", "messages/ADT.toml", "unknown key 'typos'"),
        ("messages/ADT.toml", b"= 1\n", "messages/ADT.toml", "not valid TOML"),
        ("messages/X.toml", b'types = ["X"]\ninclude = ["nope"]\n', "messages/X.toml", "nope.toml"),
        ("messages/X.toml", b'types = ["X"]\n[group.a]\n[group.b]\n', "messages/X.toml", "2 groups"),  # noqa: E501
        (
            "messages/ADT.toml",
            b'[[resource]]\nrole = "x"\ngroup = "patient"\ntype = "Patient"\nmaps = ["ZZZ.Patient"]\n',  # noqa: E501
            "messages/ADT.toml",
            "segments/ZZZ.Patient.csv",
        ),
        (
            "messages/ADT.toml",
            b'[[resource]]\nrole = "patient"\nfinish = ["nope"]\n',
            "messages/ADT.toml",
            "no function 'nope'",
        ),
    ],
)  # fmt: skip
def test_mistakes_name_file_line_and_cure(path: str, content: bytes, where: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_mapping("hl7v2", {path: content})
    error = caught.value
    assert said in error.what
    assert where in str(error)
    assert error.cure


def test_an_unknown_mapping_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="no mapping 'hl7v3'"):
        load_mapping("hl7v3")


def test_a_site_maps_its_own_segment() -> None:
    overlay = {
        "segments/ZPI.Patient.csv": HEAD + b"ZPI-2,extension[pet].valueString,ST.string\n",
        "extensions.csv": b"name,value\npet,https://example.org/fhir/pet\n",
        "messages/common.toml": (
            b'[group.patient]\nsegments = ["ZPI"]\n'
            b'[[resource]]\nrole = "patient"\nmaps = ["ZPI.Patient"]\n'
        ),
    }
    derived = derive(overlay, "ZPI|1|Rex")
    patient = only(derived, "Patient")
    assert {"url": "https://example.org/fhir/pet", "valueString": "Rex"} in patient["extension"]
    assert derived.unmapped == ("ZPI-1",)


def test_a_site_replaces_a_rule_and_adds_a_code() -> None:
    overlay = {
        "segments/PID.Patient.csv": b"source,target,via,rule\nPID-5,name[],XPN.HumanName,PID-9>Patient.name[]\n",  # noqa: E501
        "concepts/gender.csv": b"source,system,code,display\nD,http://hl7.org/fhir/administrative-gender,other,Diverse\n",
    }  # fmt: skip
    sent = PID.replace("|F", "|D")
    mapping = load_mapping("hl7v2", overlay)
    derived = mapping.derive(message(text("ADT^A08", sent)), FEED, EXAMPLE_NAMESPACE)
    patient = only(derived, "Patient")
    assert len(patient["name"]) == 2  # PID-5 by its own rule and by the one that replaced PID-9's
    assert patient["gender"] == "other"
    assert {i.code for i in derived.issues} == set()


def test_a_site_ignores_a_field_on_purpose() -> None:
    overlay = {
        "segments/PID.Patient.csv": b"source,target,ignore,rule\nPID-8,,not reliable here,PID-8>Patient.gender\n"  # noqa: E501
    }
    patient = only(derive(overlay), "Patient")
    assert "gender" not in patient


def test_equal_files_have_equal_fingerprints() -> None:
    one, two = load_mapping("hl7v2"), load_mapping("hl7v2")
    other = load_mapping("hl7v2", {"systems.csv": b"name,value\nX,urn:x\n"})
    assert one.fingerprint == two.fingerprint != other.fingerprint
    rules = {f"sensitivity/{name}": content for name, content in builtin().files.items()}
    assert one.files == builtin_files("hl7v2") | rules
    assert set(other.files) - set(one.files) == {"overlay/systems.csv"}


def test_other_code_is_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    read = dict(code_version.sources(resources.files("chartloom.normalize"), "normalize"))
    assert "normalize/functions/encounter.py" in read
    versions = {load_mapping(name).fingerprint for name in ("hl7v2", "fhir")}
    monkeypatch.setattr(code_version, "code_version", lambda: "other")
    assert versions.isdisjoint(load_mapping(name).fingerprint for name in ("hl7v2", "fhir"))


def test_the_generated_code_can_be_read() -> None:
    mapping = load_mapping("hl7v2")
    assert isinstance(mapping, Hl7Mapping)
    source = mapping.engine.sources["segments/PID.Patient.csv"]
    assert "# PID-5>Patient.name[]" in source
    for generated in mapping.engine.sources.values():
        ast.parse(generated)


def test_codings_have_a_system() -> None:
    """A code without system means nothing; plain FHIR codes (``CWE.code``) need none."""
    mapping = load_mapping("hl7v2")
    assert isinstance(mapping, Hl7Mapping)
    tables = mapping.engine.tables
    for table in tables.segments.values():
        for row in table.rows:
            if row.concept and row.via.endswith((".CodeableConcept", ".Coding")):
                for target in tables.concepts[row.concept].concepts.values():
                    assert bool(target.code) == bool(target.system), (row.rule, row.concept)
