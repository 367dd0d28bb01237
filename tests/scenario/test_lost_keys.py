"""A site whose key folder is gone: no new keys over data that they could not open."""

from __future__ import annotations

import shutil
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from tests.support.batches import arrival
from tests.support.postgres import Server
from tests.support.up import on_free_ports

from chartloom.domain.errors import ConfigurationError
from chartloom.project import Project, load_project, write_site
from chartloom.wiring import open_site, running_site


@pytest.fixture
def project(tmp_path: Path, postgres_server: Server, monkeypatch: pytest.MonkeyPatch) -> Project:
    name = "lost_keys"
    with psycopg.connect(postgres_server.dsn, autocommit=True) as conn:
        conn.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    dsn = psycopg.conninfo.make_conninfo(postgres_server.dsn, dbname=name)
    monkeypatch.setenv("LOST_KEYS_DSN", dsn)
    folder = tmp_path / "site"
    write_site(folder, name="North")
    on_free_ports(folder, "adt")
    settings = folder / "chartloom.toml"
    settings.write_text(
        settings.read_text().replace('# dsn_env = "CHARTLOOM_DSN"', 'dsn_env = "LOST_KEYS_DSN"')
    )
    return load_project(folder)


def test_keys_are_made_once_and_never_again_over_a_store(project: Project, tmp_path: Path) -> None:
    with open_site(project) as opened:
        opened.store.migrate()
        opened.store.land([arrival(1)])
    kept = tmp_path / "copy"
    shutil.move(project.key_dir, kept)
    for start in (open_site, running_site):
        with pytest.raises(ConfigurationError) as caught, start(project):
            pass
        assert "keys of this site are gone" in caught.value.what
        assert "copy" in caught.value.cure
        assert not project.key_dir.exists()
    shutil.move(kept, project.key_dir)
    with open_site(project) as opened:
        assert opened.store.waiting(opened.grant()) == 1


def test_a_site_that_never_ran_gets_its_keys(project: Project) -> None:
    with open_site(project) as opened:
        opened.store.migrate()
    assert (project.key_dir / "site.json").exists()
