"""How long other systems wait that ask a running site who a patient is, one question at a time.

    python -m bench.bench_identity_doors TRUTH CONSOLE TOKEN [MLLP_PORT]

TRUTH is what ``chartloom simulate`` wrote beside the messages that the site has. The first tenth
of the questions is not counted. The HL7 v2 door must know the sender ``PORTAL|CLINIC``.
"""

from __future__ import annotations

import http.client
import json
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

#: Of a kind; services may ask 600 times a minute, unless the site says otherwise.
_QUESTIONS = 250


def main(truth: str, console: str, token: str, port: str = "") -> None:
    """Asks, and prints a line for each kind of question."""
    persons = [p["person"] for p in json.loads(Path(truth).read_text())["persons"]]
    persons = persons[:_QUESTIONS]
    link = http.client.HTTPConnection(urlsplit(console).netloc)
    headers = {"authorization": f"Bearer {token}", "content-type": "application/fhir+json"}

    def fhir(path: str, body: Any = None) -> bytes:
        sent = None if body is None else json.dumps(body)
        link.request("POST" if sent else "GET", f"/fhir/R4/{path}", sent, headers)
        answer = link.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{answer.status} {text[:300]!r}")
        return text

    questions: dict[str, Callable[[dict[str, Any]], bool]] = {
        "$match": lambda p: b"certain" in fhir("Patient/$match", _described(p)),
        "search family + birthdate": lambda p: b'"entry"' in fhir(_search(p)),
    }
    if port:
        mllp = socket.create_connection(("127.0.0.1", int(port)))
        questions["PDQ family + birth date"] = lambda p: b"\rPID|" in _ask(mllp, _pdq(p))
        questions["PIX, number not known"] = lambda p: b"|204" in _ask(mllp, _pix(p))
    for name, ask in questions.items():
        _time(name, ask, persons)


def _time(name: str, ask: Callable[[dict[str, Any]], bool], persons: list[dict[str, Any]]) -> None:
    took, found = [], 0
    for person in persons:
        began = time.perf_counter()
        found += ask(person)
        took.append(time.perf_counter() - began)
    counted = sorted(took[len(took) // 10 :])
    p50, p95 = (1000 * counted[int(len(counted) * q)] for q in (0.5, 0.95))
    print(f"{name:28} p50 {p50:6.1f} ms  p95 {p95:6.1f} ms  {found}/{len(persons)} answered")


def _described(person: dict[str, Any]) -> dict[str, Any]:
    d = person["demographics"]
    patient = {
        "resourceType": "Patient",
        "name": [{"family": d["family"], "given": [d["given"]]}],
        "birthDate": _day(d),
    }
    if d["street"]:
        home = {"line": [d["street"]], "city": d["city"], "postalCode": d["postal_code"]}
        patient["address"] = [home]
    if d["phones"]:
        patient["telecom"] = [{"system": "phone", "value": phone} for phone in d["phones"]]
    return {
        "resourceType": "Parameters",
        "parameter": [{"name": "resource", "resource": patient}],
    }


def _day(d: dict[str, Any]) -> str:
    born = d["birth_date"]
    return "-".join(part for part in (born[:4], born[4:6], born[6:]) if part)


def _search(person: dict[str, Any]) -> str:
    d = person["demographics"]
    return f"Patient?family={quote(d['family'])}&birthdate={_day(d)}"


def _pdq(person: dict[str, Any]) -> str:
    d = person["demographics"]
    parameters = f"@PID.5.1^{d['family']}~@PID.7^{d['birth_date']}"
    return f"QBP^Q22^QBP_Q21|1|P|2.5\rQPD|IHE PDQ Query|T|{parameters}\rRCP|I\r"


def _pix(person: dict[str, Any]) -> str:
    number = f"{person['mrn']}-none"
    return f"QBP^Q23^QBP_Q21|1|P|2.5\rQPD|IHE PIX Query|T|{number}^^^SGH\rRCP|I\r"


def _ask(mllp: socket.socket, query: str) -> bytes:
    mllp.sendall(f"\x0bMSH|^~\\&|PORTAL|CLINIC|CL|SGH|20260301||{query}\x1c\r".encode())
    held = b""
    while not held.endswith(b"\x1c\r"):
        held += mllp.recv(65536)
    return held


if __name__ == "__main__":
    main(*sys.argv[1:])
