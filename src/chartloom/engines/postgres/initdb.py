"""Making a cluster and its configuration: the embedded server before its first start."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from pathlib import Path

from chartloom.domain.errors import StoreUnavailable
from chartloom.engines.postgres import settings
from chartloom.engines.postgres.folders import sync_folder, write_private
from chartloom.engines.postgres.privileges import Privileges

USER = "chartloom"

_TIMEOUT_S = 300.0


def initialise(rights: Privileges, cluster: Path, password: Path, log: Path) -> None:
    """``initdb`` beside the final place, then one rename: a killed attempt leaves no half.

    password: the file that is written for those who connect. Raises ``StoreUnavailable`` when the
    program fails; ``log`` then holds its words.
    """
    for leftover in cluster.parent.glob("cluster.new-*"):
        shutil.rmtree(leftover)
    fresh = cluster.parent / f"cluster.new-{secrets.token_hex(4)}"
    secret = secrets.token_urlsafe(32)
    write_private(password, f"*:*:*:{USER}:{secret}\n")
    pwfile = cluster.parent / "password.new"
    write_private(pwfile, secret + "\n")
    rights.own(pwfile)
    try:
        _run(
            rights,
            log,
            "initdb",
            f"--pgdata={fresh}",
            f"--username={USER}",
            f"--pwfile={pwfile}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--no-locale",
            "--data-checksums",
        )
    finally:
        pwfile.unlink()
    fresh.rename(cluster)
    sync_folder(cluster.parent)


def _run(rights: Privileges, log: Path, program: str, *args: str) -> None:
    user = rights.user()
    done = subprocess.run(  # noqa: S603
        rights.command(program, *args),
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd="/",
        env=environment(),
        timeout=_TIMEOUT_S,
        user=user.uid if user.switched else None,
        group=user.gid if user.switched else None,
        extra_groups=[] if user.switched else None,
    )
    if done.returncode != 0:
        with log.open("ab") as file:
            file.write(done.stdout + done.stderr)
        raise StoreUnavailable(f"{program} failed.", where=str(log), cure="The log file says why.")


def configure(rights: Privileges, cluster: Path) -> None:
    """Writes our configuration where it differs; ``local.conf`` belongs to the site."""
    for name, text in (
        ("postgresql.conf", settings.configuration()),
        ("pg_hba.conf", settings.HBA),
    ):
        path = cluster / name
        if not path.exists() or path.read_text() != text:
            write_private(path, text)
            rights.own(path)
    local = cluster / "local.conf"
    if not local.exists():
        write_private(local, "# Settings of this site; they win over postgresql.conf.\n")
        rights.own(local)


def environment() -> dict[str, str]:
    """What the server's programs may see: nothing of PG*, a fixed locale."""
    kept = ("PATH", "TMPDIR", "LD_LIBRARY_PATH", "TZDIR")
    return {"LC_ALL": "C", **{k: os.environ[k] for k in kept if k in os.environ}}
