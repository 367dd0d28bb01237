"""How PostgreSQL can be started by this user: as it is, in a user namespace, or as nobody.

PostgreSQL refuses to run as root. In a user namespace it sees uid 1000 while the kernel still
counts it as us: no file changes hands. Where namespaces are forbidden, an unprivileged user runs
it on a copy of the binaries under a folder that root made for it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from chartloom.domain.errors import ConfigurationError

_LAUNCHER = Path(__file__).with_name("_launch.py")
_PROBE_TIMEOUT_S = 10


class Mode(StrEnum):
    """Who the server runs as."""

    PLAIN = "plain"
    NAMESPACE = "namespace"
    DROP = "drop"


@dataclass(frozen=True)
class Privileges:
    """A decided way to run the programs in ``binaries`` on the cluster under ``home``."""

    mode: Mode
    home: Path  #: folder that holds cluster, socket and log; ours and private
    binaries: Path
    uid: int = -1
    gid: int = -1

    def command(self, program: str, *args: str, die_with: int = 0) -> list[str]:
        """The command line; with ``die_with`` the program shuts down when that process dies."""
        mode = Mode.NAMESPACE if self.mode is Mode.NAMESPACE else Mode.PLAIN
        launcher = [sys.executable, "-I", "-S", str(_LAUNCHER), str(die_with), mode]
        if self.mode is Mode.DROP:  # our interpreter may not be reachable for the other user
            launcher = []
        return [*launcher, str(self.binaries / program), *args]

    def user(self) -> _User:
        """Keywords for ``subprocess`` that switch the user."""
        return _User(self.uid, self.gid) if self.mode is Mode.DROP else _User()

    def own(self, path: Path) -> None:
        """Gives a file or folder of ours to the user that runs the server."""
        if self.mode is Mode.DROP:
            os.chown(path, self.uid, self.gid)


@dataclass(frozen=True)
class _User:
    uid: int = -1
    gid: int = -1
    groups: list[int] = field(default_factory=list)

    @property
    def switched(self) -> bool:
        return self.uid >= 0


def decide(data_dir: Path, binaries: Path, wish: Mode | None, shelter: Path) -> Privileges:
    """The way that works here, or ``ConfigurationError``. ``shelter``: root's folder for DROP."""
    if wish is not Mode.DROP and (os.geteuid() != 0 or wish is Mode.PLAIN):
        return Privileges(Mode.PLAIN, data_dir, binaries)
    if wish in (None, Mode.NAMESPACE) and namespaces_allowed(binaries):
        return Privileges(Mode.NAMESPACE, data_dir, binaries)
    if wish is Mode.NAMESPACE:
        raise ConfigurationError("user namespaces are forbidden on this machine.", cure=_CURE)
    return _drop(data_dir, binaries, shelter)


_CURE = (
    "Run Chartloom as an ordinary user, or name an external PostgreSQL with a DSN under [engines]."
)


def namespaces_allowed(binaries: Path) -> bool:
    """Whether a program can really be run in a user namespace here (it is tried)."""
    if sys.platform != "linux":
        return False
    probe = Privileges(Mode.NAMESPACE, binaries, binaries)
    done = subprocess.run(  # noqa: S603
        probe.command("postgres", "--version"),
        capture_output=True,
        timeout=_PROBE_TIMEOUT_S,
        check=False,
    )
    return done.returncode == 0


def _drop(data_dir: Path, binaries: Path, shelter: Path) -> Privileges:
    """Prepares the way with an unprivileged user; only folders of our own making change hands."""
    import pwd

    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError as error:
        raise ConfigurationError(
            "PostgreSQL does not run as root and there is no user nobody.", cure=_CURE
        ) from error
    name = hashlib.sha256(str(data_dir).encode()).hexdigest()[:16]
    home = shelter / name
    try:
        shelter.mkdir(mode=0o711, parents=True, exist_ok=True)
        home.mkdir(mode=0o700, exist_ok=True)
        os.chown(home, nobody.pw_uid, nobody.pw_gid)
        if not _reachable(binaries / "postgres", nobody.pw_uid, nobody.pw_gid):
            binaries = _copy_binaries(binaries, shelter)
    except OSError as error:
        raise ConfigurationError(
            f"a folder for the unprivileged database user cannot be made ({error.strerror}).",
            where=str(shelter),
            cure=_CURE,
        ) from error
    if not _reachable(binaries / "postgres", nobody.pw_uid, nobody.pw_gid):
        raise ConfigurationError(
            "the unprivileged database user cannot reach its folder.",
            where=str(shelter),
            cure=_CURE,
        )
    return Privileges(Mode.DROP, home, binaries, nobody.pw_uid, nobody.pw_gid)


def _reachable(program: Path, uid: int, gid: int) -> bool:
    try:
        done = subprocess.run(  # noqa: S603
            [str(program), "--version"],
            check=False,
            user=uid,
            group=gid,
            extra_groups=[],
            cwd="/",
            capture_output=True,
            timeout=_PROBE_TIMEOUT_S,
        )
    except PermissionError:
        return False
    return done.returncode == 0


def _copy_binaries(binaries: Path, shelter: Path) -> Path:
    """Copies the installation once, next to its final place, and renames it there."""
    source = binaries.parent
    stat = (binaries / "postgres").stat()
    key = hashlib.sha256(f"{source}:{stat.st_size}:{stat.st_mtime_ns}".encode()).hexdigest()[:16]
    target = shelter / f"binaries-{key}"
    if not target.exists():
        temporary = shelter / f".binaries-{key}.{os.getpid()}"
        shutil.copytree(source, temporary, symlinks=True)
        try:
            temporary.rename(target)
        except OSError:
            if not target.exists():
                raise
            shutil.rmtree(temporary)  # another process was faster
    return target / "bin"
