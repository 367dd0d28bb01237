"""Data sets that leave: under an approved data use, only what it names, and on record first."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg import sql
from tests.support.postgres import Server
from typer.testing import CliRunner

from chartloom.cli import app
from chartloom.domain.access import USES_SUBJECT, DataUse, UseState
from chartloom.domain.errors import ConfigurationError
from chartloom.domain.feed import Feed
from chartloom.domain.grant import Purpose
from chartloom.domain.message import Format
from chartloom.engines.postgres.requests import PostgresUses
from chartloom.formats.hl7v2 import peek
from chartloom.guard.audit import Kind, read_events, stream
from chartloom.guard.authority import AccessDenied
from chartloom.guard.deid import Profile, fields_that_may_leave
from chartloom.hot import Worker
from chartloom.project import Project, load_project, write_site
from chartloom.sources.intake import Hl7Intake
from chartloom.wiring import demo_data_use, open_site
from chartloom.wiring.exports import Exports, everyone, open_exports

ADT = Feed("adt", "it", "it", "mllp", Format.HL7V2, namespace="hospital")
USE = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
FIELDS = (
    "Patient.gender",
    "Patient.birthDate",
    "Observation.status",
    "Observation.code",
    "Observation.valueQuantity",
    "Observation.effectiveDateTime",
)
STAFF = """
[[staff]]
subject = "a.analyst"
name = "Ana Lyst"
roles = ["analyst"]

[[staff]]
subject = "n.nobody"
name = "Not Named"
roles = ["analyst"]
"""


NAMES = [
    ("ABBOTT", "Zelda"), ("QUIGLEY", "Ines"), ("OYELARAN", "Funmi"), ("VASQUEZ", "Dolores"),
    ("HOLM", "Britta"), ("NAKAMURA", "Yuki"), ("FITZROY", "Prudence"), ("DUBOIS", "Odile"),
    ("MWANGI", "Wanjiru"), ("KOWALSKI", "Bogna"), ("RASHID", "Samira"), ("JENSEN", "Tove"),
    ("ULLOA", "Consuelo"),
]  # fmt: skip


def message(n: int, born: int) -> bytes:
    family, given = NAMES[n % len(NAMES)]  # nobody takes them for one person
    lines = (
        f"MSH|^~\\&|LAB|H|||20240101080000||ORU^R01|C{n}|P|2.5",
        f"PID|1||{n}^^^H^MR||CANARY{family}^{given}||{born}{n % 12 + 1:02}{n % 27 + 1:02}|F|||"
        f"{n * 37} {given} Road^^CANARYTOWN^MA^02139",
        f"ORC|RE|O{n}|F{n}",
        f"OBR|1|O{n}|F{n}|718-7^Haemoglobin^LN|||20240101070000||||||||||||||||||F",
        "OBX|1|NM|718-7^Haemoglobin^LN||13.5|g/dL|||||F|||20240101070000",
        "NTE|1||CANARY free text",
    )
    return "\r".join(lines).encode() + b"\r"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, postgres_server: Server) -> Iterator[Project]:
    name = "exports"
    with psycopg.connect(postgres_server.dsn, autocommit=True) as conn:
        conn.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    folder = tmp_path_factory.mktemp("exports") / "site"
    write_site(folder, name="North")
    settings = folder / "chartloom.toml"
    dsn_env = '# dsn_env = "CHARTLOOM_DSN"'
    settings.write_text(settings.read_text().replace(dsn_env, 'dsn_env = "EXPORTS_DSN"'))
    (folder / "staff.toml").write_text(STAFF)
    with pytest.MonkeyPatch.context() as patch:
        dsn = psycopg.conninfo.make_conninfo(postgres_server.dsn, dbname=name)
        patch.setenv("EXPORTS_DSN", dsn)
        made = load_project(folder)
        fill(made)
        yield made


def fill(project: Project) -> None:
    """Twelve persons of one decade who look alike under year of birth, and one who does not."""
    with open_site(project) as opened:
        store = opened.store
        store.migrate()
        mapping = opened.load_mappings()["adt"][1]
        intake = Hl7Intake(ADT, opened.guard.namespace)
        worker = Worker(
            store,
            {"adt": (ADT, mapping)},
            opened.guard.namespace,
            opened.clock,
            opened.grant,
            "w",
            64,
        )
        store.save_project_version(mapping.fingerprint, mapping.files)
        bodies = [message(n, 1980) for n in range(1, 13)] + [message(99, 1931)]
        now_us = opened.clock.now_us()
        store.land([intake.arrival(b, peek(b), now_us) for b in bodies])
        while worker.run_once():
            pass
        uses = PostgresUses(store)
        grant = opened.guard.mint("tests", Purpose.OPERATIONS, (USES_SUBJECT,), (), 60)
        for use in data_uses(now_us, everyone(opened)):
            uses.add(grant, use)


def data_uses(now_us: int, persons: list[str]) -> list[DataUse]:
    good = DataUse(
        USE,
        "Anaemia",
        Purpose.QUALITY,
        FIELDS,
        "all",
        ("a.analyst",),
        now_us + 3_600_000_000,
        "a.analyst",
        now_us,
        UseState.APPROVED,
        "p.officer",
        now_us,
        everyone=True,
        k=1,
    )
    change = msgspec.structs.replace
    return [
        good,
        change(good, id="requested", state=UseState.REQUESTED, decided_by=""),
        change(good, id="over", until_us=now_us - 1),
        change(good, id="self-approved", decided_by="a.analyst"),
        change(good, id="no-fields", fields=()),
        change(good, id="narrow", everyone=False, persons=tuple(persons[:3]), k=2),
        change(good, id="shifted", profile="shifted"),
        change(good, id="of-nobody", everyone=False),
    ]


@pytest.fixture
def exports(project: Project) -> Iterator[Exports]:
    with open_exports(project, lambda *_: None) as opened:
        yield opened


def lines(folder: Path) -> list[dict[str, Any]]:
    files = sorted(folder.glob("*.ndjson"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def exported_events(exports: Exports) -> list[str]:
    log = exports.exporter._recorder._log
    return [e.body.decode() for e in stream(log) if b"export/" in e.body]


def test_who_did_it_is_on_record_and_for_whom(exports: Exports, tmp_path: Path) -> None:
    """The name after --user is the operator's word; so the operator stands beside it."""
    log = exports.exporter._recorder._log
    before = log.end().size
    user, everyone = exports.principal("a.analyst"), exports.everyone()
    exports.exporter.export(user, USE, everyone, tmp_path / "who", k=2)
    with pytest.raises(AccessDenied):
        exports.exporter.export(user, "over", everyone, tmp_path / "denied", k=2)
    me = f"operator:{os.getuid()}"
    seen = [e for e in read_events(log.read(before, 100)) if e.kind == "export"]
    assert [(e.actor, e.behalf, e.denied) for e in seen] == [
        (me, "a.analyst", ""),
        (me, "a.analyst", "data-use"),
    ]
    assert (seen[0].roles, seen[0].recipients) == ((), ("a.analyst",))


def test_what_leaves_is_what_the_data_use_names(exports: Exports, tmp_path: Path) -> None:
    out = tmp_path / "out"
    before = len(exported_events(exports))
    everyone = exports.everyone()
    report = exports.exporter.export(exports.principal("a.analyst"), USE, everyone, out, k=11)
    assert (report.asked, report.denied, report.suppressed, report.persons) == (13, 0, 1, 12)
    assert (report.k, report.smallest_before) == (12, 1)
    found = lines(out)
    assert {r["resourceType"] for r in found} <= {"Patient", "Observation"}
    assert report.resources["Observation"] == 12
    assert "CANARY" not in json.dumps(found)
    for resource in found:
        if resource["resourceType"] == "Patient":
            assert resource["birthDate"] == "1980"
            assert resource.keys() <= {"resourceType", "id", "gender", "birthDate"}
        else:
            assert resource["valueQuantity"]["value"] == 13.5
            assert resource["subject"]["reference"].startswith("Patient/")
    written = {p: stat.S_IMODE(p.stat().st_mode) for p in (out, *out.iterdir())}
    assert {m for p, m in written.items() if p != out} == {0o600}
    assert written[out] == 0o700
    assert report.dropped["Patient.name"] == 12
    made = json.loads((out / "export.json").read_text())
    assert made["persons"] == 12
    events = exported_events(exports)[before:]
    assert any(f"ndjson/{Profile.SAFE_HARBOR}" in e and USE in e for e in events)
    assert not any("CANARY" in e for e in events)
    real = {id for id in everyone if id in (out / "Patient.ndjson").read_text()}
    assert real == set()
    with pytest.raises(ConfigurationError):
        exports.exporter.export(exports.principal("a.analyst"), USE, everyone, out)


def test_pseudonyms_hold_within_a_project_until_its_key_is_gone(
    exports: Exports, tmp_path: Path, project: Project
) -> None:
    who, everyone = exports.principal("a.analyst"), exports.everyone()

    def ids(name: str) -> set[str]:
        exports.exporter.export(who, USE, everyone, tmp_path / name)
        return {r["id"] for r in lines(tmp_path / name)}

    one = ids("one")
    assert ids("two") == one
    key = project.key_dir / "projects" / f"{USE}.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    key.unlink()
    assert not ids("three") & one


@pytest.mark.parametrize(
    ("user", "use"),
    [
        ("n.nobody", USE),
        ("a.analyst", "requested"),
        ("a.analyst", "over"),
        ("a.analyst", "self-approved"),
        ("a.analyst", "there-is-none"),
    ],
)
def test_without_an_approved_use_nothing_leaves(
    exports: Exports, tmp_path: Path, user: str, use: str
) -> None:
    with pytest.raises(AccessDenied):
        exports.exporter.export(exports.principal(user), use, exports.everyone(), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_use_without_fields_and_a_stranger_are_refused(exports: Exports, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        exports.exporter.export(exports.principal("a.analyst"), "no-fields", [], tmp_path / "out")
    with pytest.raises(ConfigurationError):
        exports.principal("z.stranger")


def test_a_dry_run_counts_and_writes_nothing_and_is_on_record(
    exports: Exports, tmp_path: Path
) -> None:
    before = len(exported_events(exports))
    cohort = [*exports.everyone()[:3], "no-such-person"]
    report = exports.exporter.export(exports.principal("a.analyst"), USE, cohort, None, k=1)
    assert (report.asked, report.denied, report.persons) == (4, 1, 3)
    assert report.resources["Observation"] == 3
    assert list(tmp_path.iterdir()) == []
    assert any("dry-run/" in e for e in exported_events(exports)[before:])


def test_nothing_is_written_when_it_cannot_be_put_on_record(
    exports: Exports, tmp_path: Path
) -> None:
    exports.exporter._recorder.close()
    with pytest.raises(Exception, match="audit") as caught:
        exports.exporter.export(
            exports.principal("a.analyst"), USE, exports.everyone(), tmp_path / "out"
        )
    assert type(caught.value).__name__ == "AuditUnavailable"
    assert list(tmp_path.iterdir()) == []


def refused(exports: Exports, use: str, **wider: Any) -> str:
    """What it says; nothing was written, and the try is on record."""
    before = len(exported_events(exports))
    persons = wider.pop("persons", None)
    with pytest.raises(ConfigurationError) as caught:
        exports.exporter.export(exports.principal("a.analyst"), use, persons, None, **wider)
    (event,) = exported_events(exports)[before:]
    assert "wider-than-approved" in event
    return str(caught.value)


def test_nothing_wider_than_approved_leaves(exports: Exports) -> None:
    site = exports.everyone()
    assert "persons" in refused(exports, "narrow", persons=site)
    assert "persons" in refused(exports, "narrow", persons=site[2:4])
    assert "persons" in refused(exports, "of-nobody", persons=site[:1])
    assert "k (at least 2" in refused(exports, "narrow", k=1)
    assert "profile (safe_harbor" in refused(exports, "narrow", profile=Profile.SHIFTED)
    assert "profile (safe_harbor" in refused(exports, USE, profile=Profile.LIMITED)
    assert "profile (shifted" in refused(exports, "shifted", profile=Profile.LIMITED)


def test_what_is_not_said_is_as_approved_and_may_be_narrower(exports: Exports) -> None:
    who, run = exports.principal("a.analyst"), exports.exporter.export
    asked = run(who, "narrow", None, None)
    assert (asked.asked, asked.k_wanted, asked.profile) == (3, 2, Profile.SAFE_HARBOR)
    assert run(who, "shifted", None, None).profile == Profile.SHIFTED
    fewer = run(who, "narrow", exports.everyone()[:2], None, k=5)
    assert (fewer.asked, fewer.k_wanted) == (2, 5)
    safer = run(who, "shifted", None, None, profile=Profile.SAFE_HARBOR)
    assert (safer.asked, safer.profile) == (13, Profile.SAFE_HARBOR)
    assert run(who, "of-nobody", None, None).asked == 0


def test_nothing_is_written_where_nobody_is_left(exports: Exports, tmp_path: Path) -> None:
    before = len(exported_events(exports))
    user, everyone = exports.principal("a.analyst"), exports.everyone()
    report = exports.exporter.export(user, USE, everyone, tmp_path / "none", k=100)
    assert (report.asked, report.suppressed, report.persons) == (13, 13, 0)
    assert not list(tmp_path.iterdir())
    assert len(exported_events(exports)) == before + 1  # the try is on record


def test_the_command_says_why_nobody_is_left_and_who_is_not_named(
    project: Project, tmp_path: Path
) -> None:
    said = ["export", str(tmp_path / "out"), "--use", USE, "--site", str(project.folder)]
    answer = CliRunner().invoke(app, [*said, "--user", "a.analyst", "--k", "100"])
    assert (answer.exit_code, (tmp_path / "out").exists()) == (1, False)
    words = " ".join(answer.output.split())
    assert "nobody is left" in words
    assert "k = 100 alike: 13" in words
    answer = CliRunner().invoke(app, [*said, "--user", "n.nobody"])
    assert isinstance(answer.exception, ConfigurationError)
    assert "is in force for n.nobody" in answer.exception.what
    answer = CliRunner().invoke(app, [*said, "--user", "a.analyst"])
    assert (answer.exit_code, (tmp_path / "out" / "export.json").exists()) == (0, True)


def test_the_data_use_of_the_demo_waits_for_an_approval(
    project: Project, exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_data_use, "ANALYST", "a.analyst")
    use = demo_data_use.propose_data_use(project)
    grant = exports.opened.guard.mint("tests", Purpose.OPERATIONS, (USES_SUBJECT,), (), 60)
    assert PostgresUses(exports.opened.store).get(grant, use.id) == use
    assert (use.state, use.users, use.everyone) == (UseState.REQUESTED, ("a.analyst",), True)
    assert set(use.fields) <= set(fields_that_may_leave())
    log = exports.exporter._recorder._log
    kinds = [e.kind for e in read_events(log.read(0, 10_000))]
    assert Kind.USE_REQUESTED in kinds
