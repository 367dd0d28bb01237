"""What commands refuse before they do anything: each check alone."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from chartloom.cli import app, audit, export, keys
from chartloom.domain.errors import ConfigurationError
from chartloom.guard.audit import Verdict
from chartloom.project import write_site

RUN = CliRunner()


class Keeper:
    """Notes what it is asked for. found: the records that a name stands for."""

    def __init__(self, *found: str) -> None:
        self.found, self.happened = found, list[str]()

    def __enter__(self) -> Keeper:
        return self

    def __exit__(self, *raised: object) -> None:
        pass

    def find(self, person: str) -> tuple[str, ...]:
        return self.found

    def ask_to_shred(self, record: str, reason: Any) -> Any:
        self.happened.append("asked for")
        return SimpleNamespace(id="r1", source_patients=(record,))

    def shred(self, id: str) -> Any:
        self.happened.append("shredded")
        return SimpleNamespace(source_patients=("a",)), {"state": 1}

    def retire(self) -> tuple[int, ...]:
        self.happened.append("retired")
        return ()

    def decide(self, request: str, decision: str) -> Any:
        self.happened.append(decision)
        return SimpleNamespace(id=request, state=SimpleNamespace(value=decision))


def keeper(monkeypatch: pytest.MonkeyPatch, *found: str) -> Keeper:
    made = Keeper(*found)
    monkeypatch.setattr(keys, "_keeper", lambda site: made)
    return made


@pytest.mark.parametrize(
    "said",
    [
        [],
        ["123"],
        ["--reason", "patient-request"],
        ["123", "--reason", "patient-request", "--approved", "r1"],
        ["--reason", "patient-request", "--approved", "r1"],
        ["123", "--approved", "r1"],
    ],
    ids=" ".join,
)
def test_destruction_is_asked_for_with_a_reason_or_carried_out_and_never_both(
    monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    made = keeper(monkeypatch, "a")
    done = RUN.invoke(app, ["keys", "shred", "--yes", *said])
    assert (done.exit_code, made.happened) == (2, [])


def test_destruction_is_asked_for_of_one_who_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = keeper(monkeypatch)
    asked = ["keys", "shred", "123", "--reason", "patient-request"]
    done = RUN.invoke(app, asked)
    assert (done.exit_code, nobody.happened) == (1, [])
    assert isinstance(done.exception, SystemExit), "said, not stumbled over"
    one = keeper(monkeypatch, "a")
    assert RUN.invoke(app, asked).exit_code == 0
    assert one.happened == ["asked for"]


@pytest.mark.parametrize("command", [["retire"], ["shred", "--approved", "r1"]], ids=" ".join)
def test_what_cannot_be_undone_is_done_for_who_is_sure(
    monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    made = keeper(monkeypatch)
    assert RUN.invoke(app, ["keys", *command], input="n\n").exit_code == 1
    unasked = RUN.invoke(app, ["keys", *command, "--json"], input="y\n")
    assert (unasked.exit_code, made.happened) == (2, [])
    assert RUN.invoke(app, ["keys", *command], input="y\n").exit_code == 0
    assert RUN.invoke(app, ["keys", *command, "--yes"]).exit_code == 0
    assert len(made.happened) == 2


def test_a_decision_is_one_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    made = keeper(monkeypatch)
    assert RUN.invoke(app, ["keys", "decide", "r1", "destroy"]).exit_code == 2
    assert made.happened == []
    assert RUN.invoke(app, ["keys", "decide", "r1", "approve"]).exit_code == 0


@pytest.mark.parametrize(
    "said",
    [
        {"use": "", "user": "a", "folder": Path("out")},
        {"use": "u", "user": "", "folder": Path("out")},
        {"use": "u", "user": "a", "folder": None},
        {"use": "u", "user": "a", "folder": Path("out"), "dry_run": True},
    ],
    ids=["no use", "nobody", "nowhere", "twice"],
)
def test_an_export_says_of_what_for_whom_and_where(tmp_path: Path, said: dict[str, Any]) -> None:
    """Before the site is looked at."""
    asked = {"persons": None, "profile": None, "k": None, "dry_run": False, "site": tmp_path}
    with pytest.raises(ConfigurationError) as raised:
        export.export(**(asked | said))
    assert "Say what to export" in str(raised.value)


def test_a_log_that_is_not_sound_is_no_success(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bad = SimpleNamespace(
        findings=[SimpleNamespace(code="audit.broken", location="3")], sound=False, size=3,
        attested=0, waiting=0,
    )  # fmt: skip
    verdicts: list[Any] = [bad, Verdict((), 3, 3)]
    monkeypatch.setattr(
        audit, "_auditor",
        lambda site: nullcontext(SimpleNamespace(verify=lambda heads: verdicts.pop(0))),
    )  # fmt: skip
    monkeypatch.setattr(audit, "CATALOGUE", {"audit.broken": SimpleNamespace(title="broken")})
    lost = ["audit", "verify", "--heads", str(tmp_path / "lost")]
    assert RUN.invoke(app, lost).exit_code == 2
    assert len(verdicts) == 2
    assert RUN.invoke(app, ["audit", "verify"]).exit_code == 1
    assert RUN.invoke(app, ["audit", "verify"]).exit_code == 0


@pytest.mark.parametrize("identical", [True, False])
def test_a_replay_is_confirmed_on_record_and_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, identical: bool
) -> None:
    from chartloom.wiring import desk

    write_site(tmp_path / "north", name="North")
    happened: list[str] = []
    digests = iter(["before", "before" if identical else "after"])

    class Store:
        def waiting(self, grant: Any) -> int:
            return 0

        def digest(self, grant: Any) -> str:
            return next(digests)

        def rebuild(self, grant: Any) -> int:
            happened.append("rebuilt")
            return 0

    @contextmanager
    def opened(project: Any) -> Any:
        inside = SimpleNamespace(grant=lambda ttl_s: "grant", store=Store())
        yield SimpleNamespace(opened=inside, settle=lambda need: happened.append("on record"))

    monkeypatch.setattr(desk, "open_desk", opened)
    asked = ["replay", "--site", str(tmp_path / "north"), "--verify"]
    assert RUN.invoke(app, asked, input="n\n").exit_code == 1
    assert happened == []
    assert RUN.invoke(app, [*asked, "--yes"]).exit_code == (0 if identical else 1)
    assert happened == ["on record", "rebuilt"]


def test_a_directory_is_looked_at_as_of_a_day(tmp_path: Path) -> None:
    site = tmp_path / "north"
    write_site(site, name="North")
    for asked, wrong in (
        (["show", "nobody"], False),
        (["history", "nobody"], False),
        (["show", "nobody", "--at", "soon"], True),
    ):
        done = RUN.invoke(app, ["directory", *asked, "--site", str(site)])
        assert done.exit_code == 1
        assert isinstance(done.exception, ConfigurationError if wrong else SystemExit)
