"""Short HL7 v2 messages of an invented hospital, field by number, for scenario tests."""

from __future__ import annotations

from collections.abc import Mapping


def segment(name: str, fields: Mapping[int, str]) -> str:
    """A segment from field numbers (MSH excepted)."""
    return "|".join([name, *(fields.get(i, "") for i in range(1, max(fields, default=0) + 1))])


def message(kind: str, control_id: str, at: str, *segments: str, sender: str = "ADT") -> bytes:
    """A message with its header; ``at`` is MSH-7 (``YYYYMMDDHHMMSS``)."""
    header = f"MSH|^~\\&|{sender}|HOSP|CL|HOSP|{at}||{kind}|{control_id}|P|2.5.1"
    return ("\r".join([header, *segments]) + "\r").encode()


def pid(number: str = "123", fields: Mapping[int, str] | None = None) -> str:
    """PID of one patient."""
    usual = {1: "1", 3: f"{number}^^^HOSP^MR", 5: "DOE^JANE", 7: "19700101", 8: "F"}
    return segment("PID", {**usual, **(fields or {})})


def pv1(fields: Mapping[int, str], visit: str = "V1") -> str:
    """PV1 of one inpatient stay."""
    usual = {1: "1", 2: "I", 7: "1234^ATTEND^ANN", 19: f"{visit}^^^HOSP^VN"}
    return segment("PV1", {**usual, **fields})


def adt(
    event: str,
    control_id: str,
    at: str,
    visit: Mapping[int, str] | None = None,
    *,
    patient: Mapping[int, str] | None = None,
    number: str = "123",
    more: tuple[str, ...] = (),
) -> bytes:
    """An ADT message; ``visit``: PV1 fields, none for a message without a stay."""
    segments = [segment("EVN", {1: event, 2: at}), pid(number, patient), *more]
    if visit is not None:
        segments.append(pv1(visit))
    return message(f"ADT^{event}", control_id, at, *segments)


def oru(
    control_id: str,
    at: str,
    results: tuple[tuple[str, str, str], ...],
    *,
    drawn: str,
    status: str = "F",
    order: str = "F1",
    number: str = "123",
) -> bytes:
    """A laboratory report: (LOINC code with name, value, flag) each in mmol/L."""
    obr = {
        1: "1",
        2: "P1^EHR",
        3: f"{order}^LAB",
        4: "24323-8^CMP^LN",
        7: drawn,
        22: at,
        25: status,
    }
    obx = [
        segment(
            "OBX",
            {
                1: str(i),
                2: "NM",
                3: code,
                5: value,
                6: "mmol/L^^UCUM",
                7: "3.5-5.1",
                8: flag,
                11: status,
                14: drawn,
            },
        )
        for i, (code, value, flag) in enumerate(results, 1)
    ]
    segments = [pid(number), segment("OBR", obr), *obx]
    return message("ORU^R01", control_id, at, *segments, sender="LAB")
