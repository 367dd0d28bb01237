"""Processes that open bodies leave no core file, and let nobody but root look into them."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOOK = """
import ctypes, resource, subprocess, sys
from chartloom.cli import main
sys.argv = ["chartloom", "--help"]
try:
    main()
except SystemExit:
    pass
asked = "import resource; print(resource.getrlimit(resource.RLIMIT_CORE)[0])"
child = [sys.executable, "-c", asked]
print("core", resource.getrlimit(resource.RLIMIT_CORE)[0],
      "child", subprocess.check_output(child, text=True).strip(),
      "dumpable", ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the system call is Linux's")
def test_no_process_leaves_its_memory_on_a_disk() -> None:
    hard = "resource.getrlimit(resource.RLIMIT_CORE)[1]"
    limits = f"import resource; resource.setrlimit(resource.RLIMIT_CORE, (4096, {hard}))"
    said = subprocess.check_output(
        [sys.executable, "-c", f"{limits}\n{LOOK}"], text=True, timeout=120
    )
    assert said.splitlines()[-1] == "core 0 child 0 dumpable 0"
