"""Under which address people and services reach the console."""

from __future__ import annotations

from urllib.parse import urlsplit

from chartloom.project import Project


def console_address(project: Project) -> str:
    """``[console] url``, or what follows from host, port and ``[tls]``; no slash at the end."""
    console = project.settings.console
    if console.url:
        return console.url.rstrip("/")
    host = "127.0.0.1" if console.host in ("0.0.0.0", "::") else console.host  # noqa: S104
    host = f"[{host}]" if ":" in host else host
    return f"{'https' if project.settings.tls.certificate else 'http'}://{host}:{console.port}"


def console_hosts(project: Project) -> tuple[str, ...]:
    """What a request's ``Host`` may say (without a port): names of this machine, and no others."""
    host = urlsplit(console_address(project)).hostname or ""
    names = (host, project.settings.console.host, *project.settings.tls.names, "localhost")
    found = dict.fromkeys((*names, "127.0.0.1", "::1"))
    return tuple(f"[{n}]" if ":" in n else n for n in found if n)
