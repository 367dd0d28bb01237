"""What is wrong with the lists of services and staff: each thing alone, with file and line."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.issues import Issue
from chartloom.project import Project, access, load_project, write_site
from chartloom.project.access import access_findings, load_staff
from chartloom.project.clients import _wrong_feed, client_findings, load_clients

SERVICE = '[[client]]\nid = "lab"\nscopes = ["system/*.c"]\ncertificates = ["spiffe://n/lab"]\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_site(tmp_path / "north", name="North")
    return tmp_path / "north"


def services(folder: Path, text: str | bytes) -> Project:
    (folder / "clients.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_project(folder)


def said(folder: Path, text: str | bytes) -> list[str]:
    return [f.what for f in client_findings(services(folder, text))]


def test_without_a_list_there_are_no_services_and_nothing_is_wrong(folder: Path) -> None:
    (folder / "clients.toml").unlink(missing_ok=True)
    project = load_project(folder)
    assert list(load_clients(project)) == []
    assert list(client_findings(project)) == []
    (folder / project.settings.access.staff).unlink(missing_ok=True)
    assert load_staff(project).staff == ()


def test_a_list_in_another_encoding_is_told(folder: Path) -> None:
    assert said(folder, SERVICE.encode() + "# caf\u00e9".encode("latin-1")) == [
        "The file is not UTF-8."
    ]
    project = load_project(folder)
    (folder / "clients.toml").unlink()
    (folder / project.settings.access.staff).write_bytes("# caf\u00e9".encode("latin-1"))
    assert "The file is not UTF-8." in [f.what for f in access_findings(project)]


def test_services_that_are_wrong_are_not_loaded(folder: Path) -> None:
    project = services(folder, SERVICE.replace("system/*.c", "everything else"))
    with pytest.raises(ConfigurationError):
        load_clients(project)
    [finding] = client_findings(project)
    assert (finding.file, finding.line > 0) == ("clients.toml", True)
    [unreadable] = client_findings(services(folder, "[["))
    assert (unreadable.file, unreadable.line) == ("clients.toml", 0)


def test_feeds_that_services_are_named_for_can_tell_who_sends(folder: Path) -> None:
    assert said(folder, SERVICE) == []
    feeds = {f.name: f for f in load_project(folder).feeds}
    mllp = next(f for f in feeds.values() if f.source == "mllp")
    assert not mllp.options.get("tls_client_ca")
    assert said(folder, SERVICE + f'feeds = ["{mllp.name}"]\n') == [
        f"Feed {mllp.name} cannot tell who sends."
    ]
    assert said(folder, SERVICE + 'feeds = ["nowhere"]\n') == [
        "Service lab names feed 'nowhere', which is not there."
    ]


@pytest.mark.parametrize(("source", "wrong"), [("files", True), ("http", False), ("mllp", True)])
def test_each_kind_of_feed(folder: Path, source: str, wrong: bool) -> None:
    def of(**options: object) -> object:
        feed = SimpleNamespace(name="f", source=source, options=options)
        return _wrong_feed(SimpleNamespace(feeds=[feed]), "lab", "f")  # type: ignore[arg-type]

    assert (of() is not None) is wrong
    assert (of(tls_client_ca="ca.pem") is not None) is (source == "files")


def test_keys_of_a_service_are_there(folder: Path) -> None:
    text = SERVICE + 'jwks = "lab.json"\n'
    assert said(folder, text) == ["The keys of service lab are not there."]
    (folder / "lab.json").write_text("{}")
    assert said(folder, text) == []


def test_a_list_of_staff_that_is_wrong_is_not_loaded(folder: Path) -> None:
    project = load_project(folder)
    (folder / project.settings.access.staff).write_text(
        '[[staff]]\nsubject = "a"\nroles = ["emperor"]\n'
    )
    with pytest.raises(ConfigurationError):
        load_staff(project)
    assert list(access_findings(project))


@pytest.mark.parametrize(("where", "line"), [("own.csv:7", 7), ("own.csv", 0), ("own.csv:", 0)])
def test_a_finding_says_the_line_where_there_is_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch, where: str, line: int
) -> None:
    def wrong(project: Project) -> None:
        raise ConfigurationError("wrong", where=where)

    monkeypatch.setattr(access, "load_labeller", wrong)
    [found] = access_findings(load_project(folder))
    assert (found.line, found.file.endswith("own.csv")) == (line, True)
    for location in (f"a.cedar:{line}" if line else "", f"a.cedar:{line or 'x'}"):
        issue = Issue("policy-none", location=location)
        assert access._finding(issue, "policies/").line == line
