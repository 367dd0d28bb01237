"""The supervisor of the embedded server: starts, stops, survives what kills it."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from tests.support.batches import arrival, everyone

from chartloom.domain.errors import ConfigurationError, StoreUnavailable
from chartloom.engines.postgres import EmbeddedPostgres, PostgresStore, processes
from chartloom.engines.postgres.connect import Connector
from chartloom.engines.postgres.privileges import Mode
from chartloom.guard import Guard, SystemClock

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a server that was started once: copying it is quicker than ``initdb``."""
    folder = tmp_path_factory.mktemp("prepared") / "pg"
    server = EmbeddedPostgres(folder)
    server.start()
    server.stop()
    return folder


@pytest.fixture
def pg(tmp_path: Path, prepared: Path) -> Path:
    """A folder whose server was started before."""
    return Path(shutil.copytree(prepared, tmp_path / "pg"))


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., EmbeddedPostgres]]:
    """Makes servers on one folder; stops what is left."""
    made: list[EmbeddedPostgres] = []

    def _make(folder: str = "pg", **options: object) -> EmbeddedPostgres:
        made.append(EmbeddedPostgres(tmp_path / folder, **options))  # type: ignore[arg-type]
        return made[-1]

    yield _make
    for server in made:
        server.stop()


def ask(dsn: str, query: str) -> object:
    with psycopg.connect(dsn, autocommit=True) as conn:
        row = conn.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def kill_tree(cluster: Path) -> None:
    """SIGKILL to every process of the cluster, postmaster first."""
    for pid in sorted(processes.all_serving(cluster)):
        os.kill(pid, signal.SIGKILL)


def test_first_start_warm_start_and_stop(make: Callable[..., EmbeddedPostgres]) -> None:
    server = make()
    assert not server.running()
    dsn = server.start()
    assert server.running()
    assert server.start() == dsn
    assert ask(dsn, "SHOW data_checksums") == "on"
    assert ask(dsn, "SHOW fsync") == "on"
    assert ask(dsn, "SHOW synchronous_commit") == "on"
    assert ask(dsn, "SHOW listen_addresses") == ""
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("CREATE TABLE kept AS SELECT 42 AS x")
    server.stop()
    server.stop()
    assert not server.running()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(dsn)
    assert make().start() == dsn
    assert ask(dsn, "SELECT x FROM kept") == 42


@pytest.mark.usefixtures("pg")
def test_only_the_password_opens(make: Callable[..., EmbeddedPostgres], tmp_path: Path) -> None:
    server = make()
    dsn = server.start()
    secret = (tmp_path / "pg" / "password").read_text().strip().rsplit(":", 1)[1]
    assert secret not in dsn
    for wrong in ({"passfile": "/dev/null"}, {"password": "guess"}):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(dsn, **wrong)  # type: ignore[arg-type]
    assert ask(dsn, "SELECT count(*) FROM pg_hba_file_rules") == 1
    assert ask(dsn, "SELECT auth_method FROM pg_hba_file_rules") == "scram-sha-256"
    for path in (tmp_path / "pg").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert secret not in server.log.read_text()


@pytest.mark.usefixtures("pg")
def test_a_second_supervisor_is_refused(make: Callable[..., EmbeddedPostgres]) -> None:
    first = make()
    first.start()
    with pytest.raises(ConfigurationError, match="another Chartloom"):
        make().start()
    assert first.running()
    assert make().dsn == first.dsn


def test_a_long_path_still_works(make: Callable[..., EmbeddedPostgres]) -> None:
    server = make("long/" + "/".join(["x" * 50] * 3) + "/pg 'quoted', \"strange\"")
    dsn = server.start()
    assert ask(dsn, "SELECT 1") == 1
    socket_folder = Path(psycopg.conninfo.conninfo_to_dict(dsn)["host"])  # type: ignore[arg-type]
    for folder in (socket_folder, socket_folder.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_open_folders_are_refused(make: Callable[..., EmbeddedPostgres], tmp_path: Path) -> None:
    (tmp_path / "pg").mkdir(mode=0o755)
    with pytest.raises(ConfigurationError, match="chmod 700"):
        make().start()


def test_an_interrupted_first_start_leaves_no_half(
    make: Callable[..., EmbeddedPostgres], tmp_path: Path
) -> None:
    half = tmp_path / "pg" / "cluster.new-dead"
    half.mkdir(parents=True)
    (tmp_path / "pg").chmod(0o700)
    (half / "PG_VERSION").write_text("18\n")
    assert ask(make().start(), "SELECT 1") == 1
    assert not half.exists()


@linux
@pytest.mark.usefixtures("pg")
def test_all_killed_nothing_acknowledged_is_lost(
    make: Callable[..., EmbeddedPostgres], tmp_path: Path
) -> None:
    """SIGKILL to the whole tree in the middle of landing, several times."""
    guard, clock = Guard.open(tmp_path / "keys"), SystemClock()
    acknowledged: list[int] = []
    n = 0
    for round_ in range(4):
        server = make()
        store = PostgresStore(server.start(), guard, clock, patience_s=0.2)
        store.migrate()
        for i in range(30):
            acknowledged += [r.position for r in store.land([arrival(n + k) for k in range(3)])]
            n += 3
            if i == 15 + round_:
                kill_tree(tmp_path / "pg" / "cluster")
                with pytest.raises(StoreUnavailable):
                    store.land([arrival(n)])
                n += 1
                break
        store.close()
        server.stop()
    server = make()
    store = PostgresStore(server.start(), guard, clock)
    landed = store.pending(everyone(store), store.claim("w", 64), 10_000)
    positions = [m.position for m in landed]
    assert set(acknowledged) <= set(positions)
    assert positions == list(range(1, len(positions) + 1))
    store.close()


@linux
@pytest.mark.usefixtures("pg")
def test_only_the_postmaster_killed(make: Callable[..., EmbeddedPostgres], tmp_path: Path) -> None:
    """Its backends still hold the shared memory; the next start deals with them."""
    server = make()
    dsn = server.start()
    busy = psycopg.connect(dsn, autocommit=True)
    busy.execute("SELECT 1")
    os.kill(server.pid, signal.SIGKILL)
    server.stop()
    assert ask(make().start(), "SELECT 1") == 1
    busy.close()


@linux
@pytest.mark.usefixtures("pg")
def test_a_server_that_died_is_revived(make: Callable[..., EmbeddedPostgres]) -> None:
    server = make()
    dsn = server.start()
    for _ in range(2):
        busy = psycopg.connect(dsn, autocommit=True)
        assert server.running()
        os.kill(server.pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while server.running() and time.monotonic() < deadline:
            time.sleep(0.01)
        server.revive()
        assert server.running()
        assert ask(dsn, "SELECT 1") == 1
        busy.close()


@linux
@pytest.mark.usefixtures("pg")
def test_a_stale_lock_file_of_somebody_elses_process(
    make: Callable[..., EmbeddedPostgres], tmp_path: Path
) -> None:
    """After a crash the process id in postmaster.pid may belong to an innocent."""
    server = make()
    server.start()
    lock = tmp_path / "pg" / "cluster" / "postmaster.pid"
    lines = lock.read_text().splitlines(keepends=True)
    kill_tree(tmp_path / "pg" / "cluster")
    server.stop()
    innocent = subprocess.Popen(["sleep", "60"])
    try:
        lock.write_text("".join([f"{innocent.pid}\n", *lines[1:]]))
        assert ask(make().start(), "SELECT 1") == 1
        assert innocent.poll() is None
    finally:
        innocent.kill()
        innocent.wait()


SUPERVISOR = """
import sys, time
from pathlib import Path
from chartloom.engines.postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), die_with_parent=sys.argv[2] == "die")
server.start()
print(server.pid, flush=True)
time.sleep(60)
"""


def killed_supervisor(folder: Path, how: str) -> int:
    """Starts the server from another process, kills that one; the postmaster's process id."""
    command = [sys.executable, "-c", SUPERVISOR, str(folder), how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.kill()
    return pid


@linux
@pytest.mark.usefixtures("pg")
def test_an_orphan_goes_down_with_its_supervisor(
    make: Callable[..., EmbeddedPostgres], tmp_path: Path
) -> None:
    pid = killed_supervisor(tmp_path / "pg", "die")
    deadline = time.monotonic() + 10
    while processes.alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not processes.alive(pid)
    assert ask(make().start(), "SELECT 1") == 1


@linux
@pytest.mark.usefixtures("pg")
def test_a_start_right_after_a_kill_waits_for_the_orphan(
    make: Callable[..., EmbeddedPostgres], tmp_path: Path
) -> None:
    killed_supervisor(tmp_path / "pg", "die")
    assert ask(make().start(), "SELECT 1") == 1


@linux
@pytest.mark.usefixtures("pg")
def test_a_living_orphan_is_adopted_and_stopped(
    make: Callable[..., EmbeddedPostgres], tmp_path: Path
) -> None:
    pid = killed_supervisor(tmp_path / "pg", "stay")
    server = make()
    assert ask(server.start(), "SELECT 1") == 1
    assert server.pid == pid
    server.stop()
    assert not processes.alive(pid)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop privileges")
def test_as_root_without_namespaces(make: Callable[..., EmbeddedPostgres], tmp_path: Path) -> None:
    """The server runs as nobody in a folder that root made; no other folder's mode changes."""
    # pytest's own folders are closed to other users, as a root's home is.
    shelter = Path("/var/tmp") / f"chartloom-test-{os.getpid()}"
    before = stat.S_IMODE(tmp_path.stat().st_mode)
    try:
        server = make(mode=Mode.DROP, shelter=shelter)
        dsn = server.start()
        assert ask(dsn, "SELECT 1") == 1
        assert Path(f"/proc/{server.pid}").stat().st_uid != 0
        assert make().dsn == dsn  # another process finds it
        server.stop()
        assert make(mode=Mode.DROP, shelter=shelter).start() == dsn
        assert stat.S_IMODE(tmp_path.stat().st_mode) == before
    finally:
        make_stop = make(mode=Mode.DROP, shelter=shelter)
        make_stop.stop()
        subprocess.run(["rm", "-rf", str(shelter)], check=True)


@pytest.mark.usefixtures("pg")
def test_a_broken_configuration_says_where_to_look(
    make: Callable[..., EmbeddedPostgres], tmp_path: Path
) -> None:
    server = make()
    server.start()
    server.stop()
    (tmp_path / "pg" / "cluster" / "local.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(StoreUnavailable, match=r"postgres\.log"):
        make().start()


@pytest.mark.parametrize(
    ("dsn", "environment"),
    [
        ("host=db.example.org dbname=x", {}),
        ("host=/tmp,db.example.org", {}),
        ("hostaddr=192.0.2.1 dbname=x", {}),
        ("host=localhost hostaddr=192.0.2.1", {}),
        ("dbname=x", {"PGHOST": "db.example.org"}),
        ("service=elsewhere", {}),
    ],
)
def test_tls_is_required_off_host(
    dsn: str, environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    guard = Guard.open(tmp_path / "keys")
    with pytest.raises(ConfigurationError, match="TLS"):
        PostgresStore(dsn, guard, SystemClock())
    PostgresStore(f"{dsn} sslmode=verify-full", guard, SystemClock()).close()
    with pytest.raises(ConfigurationError, match="DSN"):
        PostgresStore("what is this", guard, SystemClock())


def test_no_connection_compiles_its_queries(make: Callable[..., EmbeddedPostgres]) -> None:
    server = make()
    server.start()
    with psycopg.connect(server.dsn, autocommit=True) as owner:
        owner.execute("ALTER ROLE CURRENT_USER SET jit = on")  # as a server of others may have it
    connection = Connector(server.dsn).open("reader", {})
    assert connection.execute("SHOW jit").fetchone() == ("off",)
    connection.close()
