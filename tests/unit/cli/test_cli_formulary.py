"""``chartloom formulary`` and the site's rules, as a person at a terminal meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.medication_lists import ended, fill, order, reconciled
from typer.testing import CliRunner

from chartloom.cli import app
from chartloom.cli.reconciled import list_json, print_list
from chartloom.domain.errors import ConfigurationError
from chartloom.project import load_project, write_site
from chartloom.project.check import check_site
from chartloom.project.reconciliation import load_reconciliation_rules


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    write_site(folder, name="Testing")
    (folder / "registry" / "formulary").mkdir(parents=True)
    return folder


def _run(site: Path, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["formulary", *arguments, "--site", str(site)])
    if isinstance(result.exception, ConfigurationError):
        raise result.exception
    return result.exit_code, result.output


def test_show_tells_what_a_name_and_a_code_mean(site: Path) -> None:
    table = "system,code,name\nSGH,D1,Albuterol 90 mcg/actuation inhaler\n"
    (site / "registry/formulary/products-a.csv").write_text(table)
    code, said = _run(site, "show", "--code", "SGH:D1", "--code", "SGH:D2", "--json")
    shown = json.loads(said)
    assert code == 0
    assert shown["components"][0]["ingredient"] == "albuterol"
    assert shown["unresolved"] == ["urn:id:SGH|D2"]
    assert "beta-blocker" in _run(site, "show", "Toprol-XL 100 mg")[1]
    with pytest.raises(ConfigurationError):
        _run(site, "show")


def test_check_fails_where_rows_refer_to_nothing(site: Path) -> None:
    assert _run(site, "check")[0] == 0
    table = "system,code,name,rxnorm\nSGH,D1,Qqq,1\n"
    (site / "registry/formulary/products-a.csv").write_text(table)
    code, said = _run(site, "check")
    assert code == 1
    assert "products-a.csv:2: formulary-reference-unresolved" in said


def test_load_reads_a_release_and_leaves_own_files(site: Path, tmp_path: Path) -> None:
    own = site / "registry/formulary/products-own.csv"
    own.write_text("system,code,name\nSGH,D1,Zorblax 5 mg tablet\n")
    rrf = tmp_path / "rrf"
    rrf.mkdir()
    with pytest.raises(ConfigurationError):
        _run(site, "load", str(rrf))
    atom = "1|ENG||||||1|1|1||RXNORM|IN|1|zorblax||N|4096|\n"
    for name, content in (("CONSO", atom), ("REL", ""), ("SAT", "")):
        (rrf / f"RXN{name}.RRF").write_text(content)
    code, said = _run(site, "load", str(rrf))
    assert code == 0
    assert "ingredients-rxnorm.csv: 1 rows" in said
    assert own.is_file()
    code, said = _run(site, "show", "--code", "RXNORM:1", "--json")
    assert json.loads(said)["known"] == "code"


def test_check_of_the_site_names_file_and_line(site: Path) -> None:
    (site / "reconciliation").mkdir()
    rules = site / "reconciliation/medications.toml"
    rules.write_text("\norder_days = 400\n")
    assert load_reconciliation_rules(load_project(site)).medications.order_days == 400
    rules.write_text("\norder_days = 'long'\n")
    (site / "registry/formulary/ndc-a.csv").write_text("ndc,code\nx,1\n")
    found = {(f.file, f.line) for f in check_site(site)[0]}
    assert ("reconciliation/medications.toml", 2) in found
    assert ("registry/formulary/ndc-a.csv", 2) in found


def test_a_list_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    stopped = ended(order("o", "Lisinopril 10 mg tablet", 100), "stopped", 50)
    found = reconciled(stopped, fill("f", "Lisinopril 10 mg tablet", 5))
    (line,) = list_json(found)["lines"]
    assert line["reason"] == "filled-after-stop"
    assert line["why"]["reason"].startswith("It was stopped, but filled again")
    assert set(line["why"]["discrepancies"]) == {"stopped-elsewhere-but-filled"}
    assert set(line["why"]["sources"].values()) == {"order stopped", "filled"}
    print_list(found)
    assert "Lisinopril" in capsys.readouterr().out
