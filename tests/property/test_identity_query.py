"""Queries by HL7 v2 of any bytes, and PID segments of any Patient: nothing raises, nothing gets out
of its field."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from chartloom.formats.hl7v2 import (
    AckError,
    Query,
    acknowledge,
    delimiters,
    parse,
    peek,
    read_query,
)
from chartloom.serve.client_registry.domains import Domain, Domains
from chartloom.serve.client_registry.people import Number
from chartloom.serve.client_registry.pid import PidWriter
from chartloom.serve.client_registry.v2_terms import Wrong, known_domains, read_search

EVENTS = ("QBP^Q22^QBP_Q21", "QBP^Q23^QBP_Q21", "QCN^J01", "QBP^Q99", "ADT^A01")
PIECES = st.sampled_from(
    ["@PID.5.1", "@PID.3.1", "@PID.3.4.1", "@PID.7", "@PID.8", "^", "~", "|", "&", "\\", "\\X0D\\",
     "1984", "F", "*", '""', "TEST", "1.2", "ISO", "10^RD", "I", "\r", "RCP|", "DSC|", "QPD|", "é"]
)  # fmt: skip
TEXTS = st.lists(st.one_of(PIECES, st.text(max_size=4)), max_size=14).map("".join)


@settings(max_examples=150)
@given(st.sampled_from(EVENTS), TEXTS, TEXTS, st.booleans())
def test_any_query_is_read_or_told_what_is_wrong(
    event: str, qpd: str, rest: str, named: bool
) -> None:
    head = f"MSH|^~\\&|A|B|C|D|20260301||{event}|1|P|2.5\rQPD|name|tag|"
    message = f"{head}{qpd}\r{rest}".encode("utf-8", "replace")
    query = read_query(parse(message))
    if isinstance(query, AckError):
        answer = acknowledge(peek(message), "AE", control_id="1", now_us=0, errors=(query,))
        tree = parse(answer)
        assert [s.name for s in tree.segments] == ["MSH", "MSA", "ERR"]
        return
    assert isinstance(query, Query)
    domains = Domains([Domain("TEST", "1.2")] if named else [])
    try:
        search = read_search(query, domains)
        targets = known_domains(query, domains, 4)
    except Wrong as told:
        wrong = told.error
    else:
        wrong = None
    if wrong is not None:
        assert wrong.location.startswith("QPD-")
        return
    assert len(search.wanted) <= max(1, len(query.parameters))
    assert len(targets) == len(query.domains)


ANY = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
PATIENTS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.lists(
            st.fixed_dictionaries(
                {}, optional={"family": ANY, "given": st.lists(ANY, max_size=3), "use": ANY}
            ),
            max_size=3,
        ),
        "address": st.lists(
            st.fixed_dictionaries({}, optional={"line": st.lists(ANY, max_size=2), "city": ANY}),
            max_size=3,
        ),
        "telecom": st.lists(
            st.fixed_dictionaries({}, optional={"value": ANY, "system": ANY, "use": ANY}),
            max_size=3,
        ),
        "birthDate": ANY,
        "gender": ANY,
    },
)


@settings(max_examples=150)
@given(PATIENTS, st.lists(ANY.filter(str.strip), max_size=3), st.sampled_from(["|^~\\&", "#$%@!"]))
def test_no_value_gets_out_of_its_field(
    patient: dict[str, object], values: list[str], signs: str
) -> None:
    d = delimiters(signs[0], signs[1:])
    numbers = [Number(Domain("T&E|S^T"), "urn:x", value, "p", 0) for value in values]
    pid = PidWriter(d).demographics(patient, numbers)
    assert "\r" not in pid
    assert "\n" not in pid
    head = f"MSH{signs[0]}{signs[1:]}{signs[0]}A"
    message = f"{head}\r{pid}\r".encode()
    tree = parse(message)
    assert [s.name for s in tree.segments] == ["MSH", "PID"]
    segment = tree.segments[1]
    assert len(segment.fields) <= 31
    assert [segment.value(3, n + 1) for n in range(len(values))] == values
    names = patient.get("name")
    if isinstance(names, list) and names and names[0].get("family"):
        assert segment.value(5) == names[0]["family"]
