"""Ports that a site needs: whether they are free before it starts, and whether it is this site that
answers on them. Two sites made with the same defaults want the same ones, and a message sent to one
must not end in the other.
"""

from __future__ import annotations

import errno
import fcntl
import socket
from collections.abc import Mapping

import msgspec

from chartloom.domain.errors import ConfigurationError
from chartloom.project import Project
from chartloom.project.read import SETTINGS_FILE

_OTHERS = "`chartloom init FOLDER --first-port N --console-port M` makes a site with other ones."


class Port(msgspec.Struct, frozen=True):
    """A port of a site. what: what listens there; file: where it is set."""

    what: str
    file: str
    host: str
    port: int

    @property
    def family(self) -> socket.AddressFamily:
        """Of its address."""
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET


def is_up(project: Project) -> bool:
    """True if ``chartloom up`` holds the site's lock."""
    try:
        with (project.data_dir / "run" / "up.lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def ports_of(project: Project) -> list[Port]:
    """Feeds, doors and the console, where they listen on a port of their own."""
    found, where = feed_ports(project), f"{SETTINGS_FILE} "
    door, console = project.settings.doors.identity, project.settings.console
    if door.port:
        found.append(Port("the door of identity", f"{where}[doors.identity]", door.host, door.port))
    found.append(Port("the console", f"{where}[console]", console.host, console.port))
    sign_in = project.settings.sign_in
    if sign_in.builtin:
        what = "the provider for trying"
        found.append(Port(what, f"{where}[sign_in]", console.host, sign_in.builtin_port))
    return found


def feed_ports(project: Project) -> list[Port]:
    """Those of the feeds that listen."""
    return [
        Port(f"feed {feed.name}", f"feeds/{feed.name}.toml", _host(feed.options), port)
        for feed in project.feeds
        if isinstance(port := feed.options.get("port"), int)
    ]


def need_free(project: Project) -> None:
    """Raises ``ConfigurationError`` if something else listens where the site is to listen."""
    taken = [port for port in ports_of(project) if not _is_free(port)]
    if not taken:
        return
    first, more = taken[0], f" So are {len(taken) - 1} more of its ports." * (len(taken) > 1)
    raise ConfigurationError(
        f"Port {first.port}, where {first.what} is to listen, is taken by another program.{more}",
        where=str(project.folder / first.file),
        cure=f"End that program (another site, the demo?), or change the port. {_OTHERS}",
    )


def answers(port: Port) -> bool:
    """Whether anything listens there."""
    with socket.socket(port.family) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((port.host, port.port)) == 0


def need_up(project: Project) -> None:
    """Raises ``ConfigurationError`` unless the site is up, so that whoever answers on its ports is
    the site. Roles that are run one by one need no lock of ``up``; they need a store of their own.
    """
    if project.settings.store.dsn_env or is_up(project):
        return
    others = [port.port for port in ports_of(project) if answers(port)]
    also = f" Something else listens on its port {others[0]}." if others else ""
    raise ConfigurationError(
        f"This site is not up; nothing was sent.{also}",
        where=str(project.folder),
        cure=f"Start it with `chartloom up --site {project.folder}`, or name an address with --to.",
    )


def _host(options: Mapping[str, object]) -> str:
    return str(options.get("host", "127.0.0.1"))


def _is_free(port: Port) -> bool:
    with socket.socket(port.family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((port.host, port.port))
        except OSError as e:
            return e.errno != errno.EADDRINUSE
    return True
