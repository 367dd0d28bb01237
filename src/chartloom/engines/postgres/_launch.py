"""Starts a PostgreSQL program from a process that may be root: run as a script, never imported.

``python -I -S _launch.py PARENT_PID MODE PROGRAM ARGS...``

MODE ``plain`` changes nothing. MODE ``namespace`` enters a user namespace in which our uid appears
as 1000: PostgreSQL refuses uid 0, and this way files stay owned by the real user and no other
folder's mode has to change. With PARENT_PID other than 0 the program gets SIGINT (a fast, clean
shutdown) when that parent dies, so that a killed supervisor leaves no orphan behind.
"""

import ctypes
import os
import signal
import sys

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
UID_INSIDE = 1000


def enter_namespace(libc: ctypes.CDLL) -> None:
    uid, gid = os.geteuid(), os.getegid()
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWUSER)")
    for name, text in (
        ("uid_map", f"{UID_INSIDE} {uid} 1"),
        ("setgroups", "deny"),
        ("gid_map", f"{UID_INSIDE} {gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as f:
            f.write(text)


def main() -> None:
    parent, mode, program = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    libc = ctypes.CDLL(None, use_errno=True)
    if mode == "namespace":
        enter_namespace(libc)
    if parent and sys.platform == "linux":
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked
            raise SystemExit(1)
    os.execv(program, sys.argv[3:])  # noqa: S606


if __name__ == "__main__":
    main()
