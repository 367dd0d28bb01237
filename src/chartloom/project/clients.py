"""The services in a site folder: ``clients.toml``."""

from __future__ import annotations

from collections.abc import Iterator

from chartloom.domain.issues import CATALOGUE
from chartloom.guard.clients import Clients, read_clients, refuse_issues
from chartloom.project.read import Finding, Project

FILE = "clients.toml"


def load_clients(project: Project) -> Clients:
    """Which services there are; none without a file. Raises ``ConfigurationError``."""
    path = project.folder / FILE
    if not path.is_file():
        return Clients()
    return refuse_issues(*read_clients(path.read_text(encoding="utf-8"), FILE), FILE)


def client_findings(project: Project) -> Iterator[Finding]:
    """Everything wrong with the services, with file and line."""
    path = project.folder / FILE
    if not path.is_file():
        return
    try:
        clients, issues = read_clients(path.read_text(encoding="utf-8"), FILE)
    except UnicodeDecodeError:
        yield Finding(FILE, 0, "", "The file is not UTF-8.", "Save it as UTF-8.")
        return
    for issue in issues:
        line, known = issue.location.rpartition(":")[2], CATALOGUE[issue.code]
        what = f"{known.title.rstrip('.')}: {issue.detail}."
        yield Finding(FILE, int(line), "client", what, known.cure)
    for client in clients:
        for name in client.feeds:
            if wrong := _wrong_feed(project, client.id, name):
                yield Finding(FILE, 0, "client.feeds", *wrong)
        if client.jwks and not (project.folder / client.jwks).is_file():
            what = f"The keys of service {client.id} are not there."
            yield Finding(FILE, 0, "client.jwks", what, f"Put them at {client.jwks}.")


def _wrong_feed(project: Project, client: str, name: str) -> tuple[str, str] | None:
    """What is wrong with a feed that a service is named for, and the cure."""
    feed = next((f for f in project.feeds if f.name == name), None)
    if feed is None:
        return f"Service {client} names feed {name!r}, which is not there.", "Remove it."
    if feed.source == "files":
        return f"Feed {name} watches a folder; nobody shows who they are there.", "Remove it."
    if feed.source == "mllp" and not feed.options.get("tls_client_ca"):
        cure = "Set tls_client_ca in [mllp] of the feed, so that senders show certificates."
        return f"Feed {name} cannot tell who sends.", cure
    return None
