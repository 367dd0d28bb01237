"""``chartloom check``: the site folder as a whole, including what only other rooms can judge."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.feed import Feed
from chartloom.formats.tables import line_of
from chartloom.project.read import SETTINGS_FILE, Finding, MappingSource, Project, read_project
from chartloom.project.tls import OFF


def check_site(folder: Path) -> tuple[list[Finding], str]:
    """All findings, and one sentence that sums the site up when there are none."""
    from chartloom.project.access import access_findings  # heavy: brings the policy engine
    from chartloom.project.clients import client_findings
    from chartloom.project.directory import directory_findings
    from chartloom.project.identity import matching_findings
    from chartloom.project.reconciliation import reconciliation_findings

    project, findings = read_project(folder)
    if project is None:
        return findings, ""
    findings = [
        *_port_findings(project),
        *(f for feed in project.feeds for f in _option_findings(project, feed)),
        *(f for source in project.mappings.values() for f in _mapping_findings(source)),
        *access_findings(project),
        *client_findings(project),
        *reconciliation_findings(project),
        *matching_findings(project),
        *directory_findings(project),
        *_door_findings(project),
        *_identity_door_findings(project),
    ]
    if not project.feeds:
        cure = "Add a feeds/<name>.toml; `chartloom init` shows what one looks like."
        findings.append(Finding("feeds", 0, "", "There is no feed.", cure))
    summary = (
        f"{len(project.feeds)} feed(s), {len(project.mappings)} mapping(s), "
        f"store: {project.settings.store.dsn_env or 'embedded'}."
    )
    return sorted(findings), summary


def notes_on(folder: Path) -> list[Finding]:
    """What a site has to decide though nothing is wrong: shipped policies that it lacks."""
    from chartloom.project.policies import policy_notes  # heavy: brings the policy engine

    project, _ = read_project(folder)
    return policy_notes(project) if project is not None else []


def _text(project: Project, feed: Feed) -> str:
    return (project.folder / "feeds" / f"{feed.name}.toml").read_text(encoding="utf-8")


def _port_findings(project: Project) -> list[Finding]:
    users: dict[int, list[str]] = defaultdict(list)
    users[project.settings.console.port].append("the console")
    findings = []
    identity = project.settings.doors.identity.port
    if identity and users[identity]:
        what = f"Port {identity} is taken by {users[identity][0]}."
        findings.append(_identity_finding(project, "port", what, "Give each its own port."))
    if identity:
        users[identity].append("the door for identity queries")
    for feed in project.feeds:
        port = feed.options.get("port")
        if not isinstance(port, int):
            continue
        if users[port]:
            line = line_of(_text(project, feed), (feed.source, "port"))
            what = f"Port {port} is taken by {users[port][0]}."
            file = f"feeds/{feed.name}.toml"
            findings.append(
                Finding(file, line, f"{feed.source}.port", what, "Give each its own port.")
            )
        users[port].append(f"feed {feed.name}")
    return findings


def _identity_finding(project: Project, key: str, what: str, cure: str) -> Finding:
    text = (project.folder / SETTINGS_FILE).read_text(encoding="utf-8")
    line = line_of(text, ("doors", "identity", key))
    return Finding(SETTINGS_FILE, line, f"doors.identity.{key}", what, cure)


def _identity_door_findings(project: Project) -> Iterator[Finding]:
    """A door for identity queries that would not open, or not know who asks."""
    from chartloom.sources.options import is_loopback

    settings = project.settings.doors.identity
    if not settings.port:
        return
    with_tls = settings.tls_cert != OFF and bool(
        settings.tls_cert or project.settings.tls.certificate
    )
    if not with_tls and not is_loopback(settings.host):
        what = "The door for identity queries would be open to the network without TLS."
        cure = "Name a certificate in [doors.identity] or [tls], or listen on 127.0.0.1."
        yield _identity_finding(project, "host", what, cure)
    if with_tls and not (settings.tls_client_ca or project.settings.tls.client_ca):
        what = "The door for identity queries cannot tell who asks."
        cure = "Name the authority of clients' certificates: tls_client_ca."
        yield _identity_finding(project, "tls_client_ca", what, cure)


def _option_findings(project: Project, feed: Feed) -> list[Finding]:
    from chartloom.sources import validate_options

    return [
        Finding(
            f"feeds/{feed.name}.toml",
            line_of(_text(project, feed), (feed.source, problem.key)),
            f"{feed.source}.{problem.key}",
            problem.what,
            problem.cure,
        )
        for problem in validate_options(feed, project.folder)
        if problem.severity == "error"
    ]


def _door_findings(project: Project) -> Iterator[Finding]:
    """Doors that are open to the network without asking who comes."""
    from chartloom.project.clients import load_clients
    from chartloom.sources import asks_nobody

    try:
        clients = load_clients(project)
    except ConfigurationError:
        return  # found already
    for feed in project.feeds:
        if asks_nobody(feed, clients):
            yield Finding(
                f"feeds/{feed.name}.toml",
                line_of(_text(project, feed), (feed.source, "host")),
                f"{feed.source}.host",
                "Anybody in the network could send to this feed.",
                "Name a service for it in clients.toml, set token_file, or listen on 127.0.0.1.",
            )


def _mapping_findings(source: MappingSource) -> list[Finding]:
    from chartloom.normalize import load_mapping

    try:
        load_mapping(source.base, source.overlays)
    except ConfigurationError as e:
        file, _, line = e.where.partition(":")
        return [
            Finding(
                f"mappings/{source.name}/{file}",
                int(line) if line.isdigit() else 0,
                "",
                e.what,
                e.cure,
            )
        ]
    return []
