"""Tries to look across: every route of the console and every function of the store that reads.

:func:`requests` makes attempts for every route that the application has; a route that it does not
know is an error, so that a new one is tried or the tests fail. An answer leaks if it holds a canary
or an id of somebody whom the visitor may not see (``two_groups.House.leaks``), or if it differs
from the answer for what is not there at all.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import quote, unquote, urlencode
from uuid import UUID, uuid5

from tests.support.two_groups import PEOPLE, House

from chartloom.domain.chart import Section

NOWHERE = UUID(int=7)
_SECTIONS = [s.name.lower() for s in Section]
_CLOCK = re.compile(rb"<span data-clock>.*?</time>")  #: when a page was made
_ELEMENTS = ("name", "identifier", "code", "valueString", "subject", "status", "telecom.0.value")
#: Nothing about anybody, or ends the session: tried by tests of their own.
LEFT_OUT = {"/sign-out", "/callback", "/enter", "/sign-in/start", "/token"}


@dataclass(frozen=True)
class Attempt:
    """One request. target: who or what it aims at; other: forbidden or not there."""

    subject: str
    route: str
    path: str
    method: str = "GET"
    form: tuple[tuple[str, str], ...] = ()
    target: str = ""
    expected: str = "any"  #: ``forbidden``, ``absent``: both must look the same


@dataclass
class Outcome:
    """What came of all attempts."""

    tried: Counter[str] = field(default_factory=Counter)
    by_status: Counter[int] = field(default_factory=Counter)
    by_person: Counter[str] = field(default_factory=Counter)
    leaks: list[str] = field(default_factory=list)
    answers: dict[tuple[str, str], dict[str, str]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    seconds: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))

    @property
    def total(self) -> int:
        return self.tried.total()

    def different(self) -> list[str]:
        """Routes on which what is forbidden does not look like what is not there."""
        return [
            f"{subject} {route}: {sorted(kinds.values())}"
            for (subject, route), kinds in self.answers.items()
            if len(kinds) > 1
        ]


class Crossing:
    """Everything that can be asked of one house by everybody who works there."""

    def __init__(self, house: House, app: Any, seed: int = 1) -> None:
        self.house, self.app, self.random = house, app, random.Random(seed)
        site = house.site
        self.cookies = {who: site.sign_in(who) for who in PEOPLE}
        self.csrf: dict[str, str] = {}
        self.handles: dict[str, list[str]] = defaultdict(list)
        self.series = self._series()
        self.records: list[str] = []
        self.sought: dict[str, tuple[str, str]] = {}  #: handle -> what was typed
        self.outcome = Outcome()

    def _series(self) -> list[str]:
        site, found = self.house.site, set()
        for id in self.house.source_patients:
            for placed in site.store.timeline(site.grant(), (id,), (Section.RESULTS,)):
                found.add(placed.series)
        return [*sorted(found - {""}), "x"]

    # Attempts

    def routes(self) -> Iterator[tuple[str, str]]:
        """(path, method) of every route."""
        for route in self.app.routes:
            for method in sorted(route.methods - {"HEAD"}):
                yield route.path, method

    def requests(self, subject: str) -> Iterator[Attempt]:
        """Everything worth trying by one person, once."""
        from tests.support import crossing_forms, crossing_identity

        makers: dict[str, Callable[[str, str], Iterator[Attempt]]] = {
            "/chart/find": self._searches, "/messages": self._messages, "/glass": self._glass,
            "/glass/again": self._records, "/glass/end": self._records, "/review/{id}":
            self._records, "/uses": self._uses, "/uses/{id}": self._records, "/audit": self._audit,
            "/quarantine/retry": self._retry, "/purpose": self._purpose, "/chart": self._found,
            "/api/messages": self._messages, "/quarantine": self._quarantine,
            "/shreddings": self._shreddings, "/shreddings/{id}": self._records,
            "/fhir/R4/Patient": self._patients, "/fhir/R4/Patient/$ihe-pix": self._patients,
            "/identity/pairs/{first}/{second}": partial(crossing_identity.pairs, self),
            **dict.fromkeys(("/fhir/R4/Patient/$merge", "/fhir/R4/Patient/$unmerge"),
                            lambda who, method: crossing_identity.merges(self, who)),
            **{r: partial(m.attempts, self, r) for m in crossing_forms.FORMS for r in m.ROUTES},
        }  # fmt: skip
        for path, method in self.routes():
            if path in LEFT_OUT:
                continue
            if path in makers and (method == "POST" or path not in ("/chart/find",)):
                yield from makers[path](subject, method)
            elif not (names := re.findall(r"{(\w+)(?::path)?}", path)):
                yield Attempt(subject, path, path, method)
            elif path.startswith(("/fhir/R4/OperationDefinition/", "/static/")):
                plain = "/static/x/console.css" if "static" in path else f"{path[:29]}match"
                yield Attempt(subject, path, plain)
            else:
                yield from self._filled(subject, path, names)

    def _filled(self, subject: str, route: str, names: list[str]) -> Iterator[Attempt]:
        """A path with parameters, filled with all there is, and with what is not there."""
        first, rest = names[0], names[1:]
        pools: dict[str, dict[str, str]] = {
            "person": self.persons_for(subject),
            # People have no business at the doors of other systems, whoever it is about.
            "id": dict.fromkeys(self.persons_for(subject), "forbidden") | self.absent(),
            "resource": self._resources(subject, route),
            "position": self._positions(subject),
        }
        if first not in pools:
            raise AssertionError(f"no attempts are known for {route}")
        if subject == "steward" and route.startswith("/identity/"):  # how records came together
            free = dict.fromkeys(self.house.source_patients | self.house.persons, "any")
            pools["person"] = free | self.absent()
        others = {"section": _SECTIONS, "element": _ELEMENTS, "series": self.series}
        for value, expected in pools[first].items():
            for second in [""] if not rest else others[rest[0]]:
                path = route.replace("{%s}" % first, quote(value))  # noqa: UP031
                path = re.sub(r"{\w+(:path)?}", quote(second, safe=""), path)
                for query in self._queries(route, first):
                    yield Attempt(subject, route, path + query, target=value, expected=expected)

    def _queries(self, route: str, first: str) -> list[str]:
        if route.endswith("/timeline"):
            some = self.random.choice(list(self.house.resources))
            queries = ["", f"?before=9999999999999999~{some}", "?before=1~a", "?section=results"]
            return [*queries, f"?section=demographics&before=1772000000000000~{some}"]
        return [""]

    def persons_for(self, subject: str) -> dict[str, str]:
        made = {}
        for id, p in (self.house.source_patients | self.house.persons).items():
            made[id] = "any" if self.house.sees(subject, p) else "forbidden"
        return made | self.absent()

    def absent(self) -> dict[str, str]:
        return {str(uuid5(NOWHERE, str(n))): "absent" for n in range(3)}

    def _resources(self, subject: str, route: str) -> dict[str, str]:
        made = {}
        for id, (p, secret) in self.house.resources.items():
            sees = self.house.sees(subject, p, secret=secret)
            works = subject == "engineer" and not route.startswith("/documents")
            made[id] = "any" if sees or works else "forbidden"
        return made | self.absent()

    def _positions(self, subject: str) -> dict[str, str]:
        made = {}
        for position, (p, secret) in self.house.positions.items():
            sees = self.house.sees(subject, p, secret=secret) or subject == "engineer"
            made[str(position)] = "any" if sees else "forbidden"
        for position, some in self.house.shared.items():
            sees = subject == "engineer" or all(self.house.sees(subject, p) for p in some)
            made[str(position)] = "any" if sees else "forbidden"
        return made | {"99999999": "absent", "4611686018427387904": "absent"}

    def _searches(self, subject: str, method: str) -> Iterator[Attempt]:
        for p in self.house.patients:
            day = f"{p.born[:4]}-{p.born[4:6]}-{p.born[6:]}"
            c = p.normal
            values = (p.mrn, f"{c}fam", f"{c}giv", day, f"urn:id:QH|{p.mrn}", f"{c}acct", c)
            values += (f"{c}fam {c}giv", p.secret)
            for value in values:
                for name in ("any", "identifier", "family", "birthdate", "nonsense"):
                    form = (("field", name), ("value", value))
                    yield Attempt(subject, "/chart/find", "/chart/find", "POST", form)

    def _found(self, subject: str, method: str) -> Iterator[Attempt]:
        yield Attempt(subject, "/chart", "/chart")
        for other in PEOPLE:
            for handle in self.handles[other][-20:]:
                yield Attempt(subject, "/chart", f"/chart?find={handle}")

    def _messages(self, subject: str, method: str) -> Iterator[Attempt]:
        route = "/messages"
        for p in self.house.patients if method == "POST" else ():
            c, control = p.normal, "control"
            sought = (("patient", p.mrn), ("patient", f"{c}fam"), (control, f"{c}ctl0"))
            for name, value in (*sought, (control, f"{p.secret}ord")):
                yield Attempt(subject, route, route, "POST", ((name, value),))
        if method == "POST":
            return
        persons = self.persons_for(subject)
        for base in ("/messages", "/api/messages"):
            for id, expected in persons.items():
                free = "any" if subject == "engineer" else expected
                for more in ("", "&before=40", "&feed=lab", "&state=applied", "&type=ORU"):
                    yield Attempt(subject, base, f"{base}?person={id}{more}", target=id,
                                  expected=free)  # fmt: skip
            for query in ("", "?before=30", "?feed=lab", "?state=quarantined", "?type=ADT",
                          "?from=2020-01-01&to=2030-01-01"):  # fmt: skip
                yield Attempt(subject, base, base + query)
            for other in PEOPLE:
                for handle in self.handles[other][-10:]:
                    yield Attempt(subject, base, f"{base}?find={handle}")

    def _glass(self, subject: str, method: str) -> Iterator[Attempt]:
        yield Attempt(subject, "/glass", "/glass")
        # Half of what is needed opens nothing and tells nothing.
        for p in self.house.patients if method == "POST" else ():
            for who, born in ((p.mrn, "1900-01-01"), ("X", p.born), (p.mrn, ""), ("", p.born)):
                form = (("identifier", who), ("birth_date", born), ("reason", "emergency"),
                        ("text", "trying to look across"))  # fmt: skip
                yield Attempt(subject, "/glass", "/glass", "POST", form)

    def _patients(self, subject: str, method: str) -> Iterator[Attempt]:
        if method == "POST":
            route = "/fhir/R4/Patient/$ihe-pix"
            yield Attempt(subject, route, route, "POST", (("sourceIdentifier", "x|y"),))
            return
        for p in self.house.patients:
            for query in (f"family={p.normal}fam", f"identifier=urn:id:QH|{p.mrn}"):
                yield Attempt(subject, "/fhir/R4/Patient", f"/fhir/R4/Patient?{query}")
            source = f"sourceIdentifier=urn:id:QH|{p.mrn}"
            route = "/fhir/R4/Patient/$ihe-pix"
            yield Attempt(subject, route, f"{route}?{source}")

    def _records(self, subject: str, method: str) -> Iterator[Attempt]:
        for route, extra in (("/glass/again", ()), ("/glass/end", ()),
                             ("/review/{id}", (("outcome", "nonsense"),)),
                             ("/uses/{id}", (("decision", "nonsense"),)),
                             ("/shreddings/{id}", (("decision", "approve"),)),
                             ("/shreddings/{id}", (("decision", "nonsense"),))):  # fmt: skip
            for id in (*self.records, "0" * 32):
                path = route.replace("{id}", id)
                form = extra or (("id", id),)
                yield Attempt(subject, route, path, "POST", form)

    def _uses(self, subject: str, method: str) -> Iterator[Attempt]:
        form = (("title", "x"), ("purpose", "nonsense")) if method == "POST" else ()
        yield Attempt(subject, "/uses", "/uses", method, form)

    def _shreddings(self, subject: str, method: str) -> Iterator[Attempt]:
        if method != "POST":
            yield Attempt(subject, "/shreddings", "/shreddings")
            return
        # Who may ask asks for nothing: what is asked for would be there to be seen.
        reason = "nonsense" if subject in ("officer", "administrator") else "test-data"
        for id in self.persons_for(subject):
            form = (("person", id), ("reason", reason))
            yield Attempt(subject, "/shreddings", "/shreddings", "POST", form, target=id)

    def _audit(self, subject: str, method: str) -> Iterator[Attempt]:
        if method == "POST":
            yield Attempt(subject, "/audit", "/audit", "POST", (("kind", "nonsense"),))
            return
        for id, expected in self.persons_for(subject).items():
            free = expected if subject != "officer" else "any"
            free = "forbidden" if free == "any" and subject != "officer" else free
            yield Attempt(subject, "/audit", f"/audit?person={id}", target=id, expected=free)

    def _quarantine(self, subject: str, method: str) -> Iterator[Attempt]:
        for query in ("", "?reason=no-patient-identifier", "?before=5"):
            yield Attempt(subject, "/quarantine", f"/quarantine{query}")

    def _retry(self, subject: str, method: str) -> Iterator[Attempt]:
        yield Attempt(subject, "/quarantine/retry", "/quarantine/retry", "POST", (("scope", "1"),))

    def _purpose(self, subject: str, method: str) -> Iterator[Attempt]:
        for purpose in ("HRESCH", "HQUALIMP", "BTG", "HOPERAT", "TREAT", ""):
            yield Attempt(subject, "/purpose", "/purpose", "POST", (("purpose", purpose),))

    # Trying

    async def try_all(self, attempts: list[Attempt], workers: int = 6) -> None:
        """Tries them, some at once."""
        queue = iter(attempts)

        async def worker() -> None:
            for attempt in queue:
                await self.try_one(attempt)

        await asyncio.gather(*(worker() for _ in range(workers)))

    async def try_one(self, attempt: Attempt) -> bytes:
        """One attempt, judged."""
        began = time.perf_counter()
        status, headers, body = await self.send(attempt)
        took = time.perf_counter() - began
        out, subject = self.outcome, attempt.subject
        out.tried[f"{attempt.method} {attempt.route}"] += 1
        out.by_status[status] += 1
        out.by_person[subject] += 1
        if status >= 500:
            out.leaks.append(f"{subject} {attempt.method} {attempt.path}: answers {status}")
        answer = b"\n".join((headers, body))
        typed = self.sought.get(attempt.path.partition("find=")[2], ("", ""))[1]
        known = f"{attempt.path} {urlencode(attempt.form)} {typed}".encode()
        for leak in self.house.leaks(subject, self._without_echo(answer, known), attempt.route):
            if self._metadata(attempt, leak):
                continue
            said = f"{subject} {attempt.method} {attempt.path} {attempt.form}: {leak}"
            out.leaks.append(said)
        if b"find=" in headers:
            handle = headers.partition(b"find=")[2].split()[0].decode()
            self.handles[subject].append(handle)
            self.sought[handle] = (attempt.form[0][0], attempt.form[-1][1])
        if attempt.expected != "any":
            long = len(attempt.target) > 8  # a short number also stands elsewhere
            bare = _CLOCK.sub(b"", answer)
            bare = bare.replace(attempt.target.encode(), b"TARGET") if long else bare
            key = hashlib.sha256(bare + str(status).encode()).hexdigest()[:12]
            out.answers[subject, attempt.route].setdefault(
                key, f"{attempt.expected} {status} {attempt.path}"
            )
            out.seconds[attempt.route, attempt.expected].append(took)
        return answer

    def _metadata(self, attempt: Attempt, leak: str) -> bool:
        """Lists of messages name celebrities to engineers: by control id and opaque id only, and
        never as the answer to a search for a patient."""
        if attempt.route == "/me" and leak.startswith("id of ") and "Patient" not in leak:
            return "person" not in leak  # ids of things that somebody asked for before
        handle = attempt.path.partition("find=")[2]
        lists = attempt.route in ("/messages", "/api/messages", "/quarantine")
        by_control = self.sought.get(handle, ("control", ""))[0] == "control"
        work = attempt.subject == "engineer" and lists and "person=" not in attempt.path
        return work and by_control and "S" not in leak.split()[1]

    def _without_echo(self, answer: bytes, known: bytes) -> bytes:
        """Without what the question itself held: telling somebody what they typed is no leak."""
        for word in set(re.findall(rb"[\w-]{6,}", known)):
            answer = answer.replace(word, b"")
        return answer

    async def send(self, attempt: Attempt) -> tuple[int, bytes, bytes]:
        """Status, headers of interest and body."""
        path, _, query = attempt.path.partition("?")
        form = attempt.form
        if attempt.method == "POST":
            form = (*form, ("csrf", await self._csrf(attempt.subject)))
        raw = urlencode(form).encode()
        headers = [(b"host", b"localhost"), (b"cookie", self.cookies[attempt.subject].encode()),
                   (b"content-type", b"application/x-www-form-urlencoded")]  # fmt: skip
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http",
            "method": attempt.method, "path": unquote(path), "raw_path": path.encode(),
            "query_string": query.encode(), "headers": headers, "client": ("127.0.0.1", 9),
            "server": ("localhost", 80), "root_path": "",
        }  # fmt: skip
        sent, status, said = [], 0, b""

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": raw, "more_body": False}

        async def send(message: Any) -> None:
            nonlocal status, said
            if message["type"] == "http.response.start":
                status = message["status"]
                said = b"\n".join(
                    n + b": " + v for n, v in message["headers"] if n != b"content-length"
                )
            elif message["type"] == "http.response.body":
                sent.append(message.get("body", b""))

        await self.app(scope, receive, send)
        return status, said, b"".join(sent)

    async def _csrf(self, subject: str) -> str:
        if subject not in self.csrf:
            self.csrf[subject] = ""
            _, _, page = await self.send(Attempt(subject, "/help", "/help"))
            found = re.search(rb'name="csrf" value="([^"]+)"', page)
            self.csrf[subject] = found[1].decode() if found else ""
        return self.csrf[subject]
