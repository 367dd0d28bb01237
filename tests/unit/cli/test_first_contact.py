"""What a newcomer types wrongly, or in the wrong place, is answered in plain words."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from chartloom import cli
from chartloom.cli import app, sure
from chartloom.cli.export import nobody_left
from chartloom.project import load_project, write_site
from chartloom.wiring.export import ExportReport
from chartloom.wiring.run import RunningSite

RUN = CliRunner()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (["messages", "abc"], "this is not a whole number."),
        (["send", "x", "--rate", "fast"], "this is not a number."),
        (["messages", "--limit", "0"], "the least is 1."),
        (["messages", "--limit", "5000"], "the most is 1000."),
    ],
)
def test_a_wrong_number_is_said_in_plain_words(said: list[str], words: str) -> None:
    answer = RUN.invoke(app, said)
    assert answer.exit_code == 2
    assert words in answer.output
    assert "Input should" not in answer.output


def test_a_site_that_cannot_be_made_is_an_error_with_a_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(sys, "argv", ["chartloom", "init", str(tmp_path / "file" / "site")])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert "cannot be made here" in (said := capsys.readouterr().err)
    assert "Choose a folder" in said


@pytest.mark.parametrize("content", ["# A page\n\nwith words\n", "", "PID|1||7\r"])
def test_a_file_without_a_message_is_said(tmp_path: Path, content: str) -> None:
    (file := tmp_path / "page.txt").write_text(content)
    answer = RUN.invoke(app, ["inspect", str(file)])
    assert answer.exit_code == 1
    assert "no message is in it" in " ".join(answer.output.split())
    assert "Loss report" not in answer.output


@pytest.mark.parametrize("start", ["", "\ufeff", "\x0b", "FHS|^~\\&|A\r"])
def test_a_file_with_a_message_is_shown(tmp_path: Path, start: str) -> None:
    message = start + "MSH|^~\\&|A|B|C|D|20240101||ADT^A01|1|P|2.5\rPID|1||7^^^H^MR\r"
    (file := tmp_path / "adt.hl7").write_bytes(message.encode())
    answer = RUN.invoke(app, ["inspect", str(file)])
    assert (answer.exit_code, "ADT^A01" in answer.output) == (0, True)


def test_a_formulary_outside_a_site_is_the_built_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    known = RUN.invoke(app, ["formulary", "show", "Toprol-XL 100 mg"])
    assert (known.exit_code, "metoprolol 100 mg" in known.output) == (0, True)
    for asked, words in (
        (["xyzzy"], "No ingredient or brand is known in: xyzzy"),
        (["--code", "RXNORM:860975"], "The formulary does not know"),
    ):
        answer = RUN.invoke(app, ["formulary", "show", *asked])
        assert (answer.exit_code, words in answer.output) == (1, True)
        assert "formulary load" in answer.output


def test_where_nobody_can_be_asked_yes_is_to_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def nobody(question: str) -> bool:
        asked.append(question)
        raise typer.Abort

    sure.be_sure("Lost.", yes=True, json=False)
    monkeypatch.setattr(sure.typer, "confirm", nobody)
    with pytest.raises(typer.BadParameter, match="add --yes"):
        sure.be_sure("Lost.", yes=False, json=True)
    assert not asked
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: False))
    with pytest.raises(typer.BadParameter, match="add --yes"):
        sure.be_sure("Lost.", yes=False, json=False)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    with pytest.raises(typer.Abort):
        sure.be_sure("Lost.", yes=False, json=False)
    monkeypatch.setattr(sure.typer, "confirm", lambda question: False)
    with pytest.raises(typer.Abort):
        sure.be_sure("Lost.", yes=False, json=False)


def test_doors_of_identity_are_told_beside_the_feeds(tmp_path: Path) -> None:
    write_site(tmp_path / "site", name="North")
    settings = tmp_path / "site" / "chartloom.toml"
    plain = settings.read_text()

    def doors(added: str) -> list[str]:
        settings.write_text(plain + added)
        return RunningSite(load_project(tmp_path / "site"), None).door_addresses  # type: ignore[arg-type]

    door = "\n[doors.identity]\nport = 27840\ndomains = []\n"
    assert doors("") == []
    assert doors(door) == ["PIX and PDQ    mllp://127.0.0.1:27840"]
    assert doors(door + 'tls_cert = "c.pem"\n') == ["PIX and PDQ    mllps://127.0.0.1:27840"]
    assert doors(door + 'tls_cert = "off"\n') == ["PIX and PDQ    mllp://127.0.0.1:27840"]


def test_an_export_of_nobody_says_why() -> None:
    report = ExportReport("u", "safe_harbor", "HQUALIMP", 11, dry_run=False)
    assert "of nobody" in nobody_left(report)
    report.asked, report.suppressed = 150, 150
    assert "k = 11 alike: 150" in (said := nobody_left(report))
    assert "Not permitted" not in said
    report.denied, report.suppressed = 150, 0
    assert "Not permitted (policy, consent) or not there: 150." in (said := nobody_left(report))
    assert "stand out" not in said
