"""Where checks are, and which tests notice when one is gone from what is not Python code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from bench._mutants import Mutant, of_needs, of_python
from bench._mutants_text import of_text

SRC = "src/chartloom/"

#: Nothing but checks: every condition, filter and call that refuses counts.
GUARDS = (
    "guard/*.py", "guard/policy/*.py", "guard/policy/default/*.cedar", "guard/tokens/*.py",
    "guard/keys/*.py", "guard/ca/*.py", "guard/audit/*.py", "guard/deid/*.py",
    "domain/access.py", "domain/labels.py", "domain/label_words.py",
    "engines/postgres/access.py", "engines/postgres/base.py", "engines/postgres/compartments.py",
    "engines/postgres/doors.py", "engines/postgres/facts.py", "engines/postgres/subject_keys.py",
    "engines/postgres/used_tokens.py", "engines/postgres/audit_log.py",
    "engines/postgres/care.py", "engines/postgres/held.py", "engines/postgres/lookups.py",
    "engines/postgres/withheld.py",
    "engines/postgres/protection.py", "engines/postgres/protection_rules.py",
    "engines/postgres/sql/000[5-9]*.sql", "engines/postgres/sql/00[1-9]*.sql",
    "serve/access.py", "serve/audit.py", "serve/console.py", "serve/denials.py", "serve/doors.py",
    "serve/entrance.py", "serve/glass.py", "serve/keys.py", "serve/mine.py", "serve/needs.py",
    "serve/quarantine.py", "serve/readiness.py", "serve/sessions.py", "serve/shield.py",
    "serve/tokens.py", "serve/uses.py",
    "sources/admission.py", "sources/guarded_http.py",
    "wiring/desk.py", "wiring/services.py", "wiring/doors.py", "wiring/console_token.py",
    "project/access.py", "project/clients.py",
)  # fmt: skip

#: Here checks stand between much else: only those count that end in an error or are a call.
DOORS = (
    "serve/*.py", "sources/options.py", "sources/server.py", "sources/fhir_rest/app.py",
    "serve/client_registry/*.py", "serve/directory/*.py", "serve/identity/*.py", "serve/lists/*.py",
    "serve/labels/*.py",
    "sources/mllp/source.py", "sources/mllp/questions.py",
    "sources/fhir_rest/hl7.py", "sources/fhir_rest/source.py",
    "engines/postgres/identities.py", "engines/postgres/overlays.py",
    "engines/postgres/labelled.py",
    "engines/postgres/settling.py",
    "engines/postgres/charts.py", "engines/postgres/messages.py", "engines/postgres/persons.py",
    "engines/postgres/landing.py", "engines/postgres/lanes.py", "engines/postgres/connect.py",
    "engines/postgres/migrate.py", "engines/postgres/cohort.py", "engines/postgres/tidy.py",
    "engines/postgres/bodies.py", "engines/postgres/digest.py", "engines/postgres/directory.py",
    "engines/postgres/excerpts.py", "engines/postgres/keeping.py", "engines/postgres/probe.py",
    "engines/postgres/requests.py", "engines/postgres/whole.py",
    "wiring/export.py", "wiring/auditing.py", "wiring/keeping.py", "wiring/keys.py",
    "wiring/internal_ca.py", "wiring/site.py",
    "wiring/identity_door.py", "wiring/exports.py", "wiring/heads.py", "wiring/service_keys.py",
    "project/tls.py", "project/model_doors.py", "project/policies.py",
    "cli/audit.py", "cli/directory.py", "cli/export.py", "cli/keys.py", "cli/labels.py",
    "cli/operate.py", "cli/policies.py",
)  # fmt: skip

#: Tests of the map (``_reached``): those that run in the process and may reach a check.
QUICK_TESTS = (
    "tests/unit/guard", "tests/unit/serve", "tests/unit/sources", "tests/unit/project",
    "tests/unit/engines", "tests/unit/wiring", "tests/unit/domain", "tests/unit/cli",
    "tests/security", "tests/unit/chart/test_label_words_merged.py",
    "tests/property/test_audit_tampering.py", "tests/property/test_key_broker_property.py",
    "tests/property/test_policy_slices.py",
    "tests/contract",
)  # fmt: skip
#: The same, and those that build a whole site first.
TESTS = (
    *QUICK_TESTS, "tests/browser", "tests/scenario/test_anew_at_doors.py",
    "tests/scenario/test_command_line.py", "tests/scenario/test_directory_commands.py",
    "tests/scenario/test_export.py", "tests/scenario/test_fhir_identity_door.py",
    "tests/scenario/test_files_source.py", "tests/scenario/test_guarded_http.py",
    "tests/scenario/test_http_source.py", "tests/scenario/test_identity_door_of_a_site.py",
    "tests/scenario/test_internal_tls.py", "tests/scenario/test_keys_and_audit_commands.py",
    "tests/scenario/test_landing_refusals.py", "tests/scenario/test_lost_keys.py",
    "tests/scenario/test_mllp_batches_and_tls.py", "tests/scenario/test_operator_on_record.py",
    "tests/scenario/test_overlays.py", "tests/scenario/test_overlays_by_two.py",
    "tests/scenario/test_reconciled_lists_kept.py", "tests/scenario/test_shredding.py",
    "tests/scenario/test_token_to_feed.py", "tests/scenario/test_v2_identity_door.py",
)  # fmt: skip
#: Tests about how PostgreSQL is run: they take long and reach no check.
LEFT_OUT = frozenset({"tests/contract/test_embedded_postgres.py"})

_POLICY_TESTS = (
    "tests/unit/guard/test_policies.py::test_matrix",
    "tests/unit/guard/test_policies.py::test_careless_site",
    "tests/unit/guard/test_checks_forbids.py", "tests/unit/guard/test_checks_scopes.py",
    "tests/security/test_permitted.py", "tests/unit/guard/test_policy_faults.py",
    "tests/unit/project/test_site_access.py",
)  # fmt: skip
_RULES = ("tests/unit/engines/test_checks_*.py", "tests/security/test_store_roles.py",
          "tests/contract/test_store_access*.py", "tests/contract/test_store_labels.py",
          "tests/contract/test_checks_*.py")  # fmt: skip
_SQL = ("tests/contract/test_checks_*.py", "tests/contract/test_store_access*.py")
_SQL_KEYS = ("tests/contract/test_checks_*.py", "tests/contract/test_subject_keys.py",
             "tests/contract/test_audit_log.py")  # fmt: skip
_SQL_BATCH = ("tests/contract/test_checks_*.py", "tests/contract/test_batch_calls.py",
              "tests/contract/test_subject_keys.py", "tests/contract/test_store_landing.py",
              "tests/contract/test_store_told_once.py")  # fmt: skip

#: For what no line is reached in: files that notice, the quickest first.
_BY_FILE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("guard/policy/default/", _POLICY_TESTS),
    ("engines/postgres/protection_rules.py", _RULES),
    ("engines/postgres/sql/0005", _SQL),
    ("engines/postgres/sql/0006", _SQL_KEYS),
    ("engines/postgres/sql/", _SQL_BATCH),
    ("engines/postgres/", _RULES),
    ("serve/needs.py", ("tests/unit/serve/test_checks_*.py", "tests/browser/test_roles.py")),
    ("serve/", ("tests/unit/serve/*.py", "tests/browser/test_roles.py")),
    ("guard/", ("tests/unit/guard/*.py",)),
    ("wiring/desk.py", ("tests/unit/serve/test_checks_needs.py",)),
    ("wiring/", ("tests/unit/wiring/test_checks_*.py",)),
    ("sources/", ("tests/unit/sources/test_checks_*.py",)),
    ("", ("tests/unit/*/test_*access*.py",)),
)


def all_mutants(root: Path, only: str = "") -> Iterator[Mutant]:
    """Every mutant of every place, in this order."""
    seen: set[str] = set()
    for places, only_raising in ((GUARDS, False), (DOORS, True)):
        for place in places:
            for file in sorted((root / SRC).glob(place)):
                path = str(file.relative_to(root))
                if path in seen:
                    continue
                seen.add(path)
                if only not in path:
                    continue
                if file.suffix == ".py":
                    yield from of_python(root, path, only_raising=only_raising)
                if file.suffix == ".sql":
                    yield from _of_migration(root, file)
                elif file.suffix != ".py" or file.name == "protection_rules.py":
                    yield from of_text(root, path)
                if file.name in ("needs.py", "desk.py"):
                    yield from of_needs(path, file.read_text(encoding="utf-8"))


_MADE = re.compile(r"(?:DROP|CREATE(?: OR REPLACE)?) FUNCTION (\w+)")
#: Up to here, migrations made little but checks; later ones also do the work of batches.
_ALL_CHECKS_UNTIL = "0009"


def _of_migration(root: Path, file: Path) -> Iterator[Mutant]:
    """Of functions that no later migration replaced."""
    later = [f for f in file.parent.glob("*.sql") if f.name > file.name]
    gone = {name for f in later for name in _MADE.findall(f.read_text(encoding="utf-8"))}
    for mutant in of_text(root, str(file.relative_to(root))):
        refuses = mutant.kind in ("never refuses", "not called")
        if mutant.where not in gone and (refuses or file.name < _ALL_CHECKS_UNTIL):
            yield mutant


def files_for(root: Path, path: str) -> list[str]:
    """The test files for a path, the nearest first."""
    wanted = next(t for start, t in _BY_FILE if path.removeprefix(SRC).startswith(start))
    found: list[str] = []
    for pattern in wanted:
        if "::" in pattern:
            found.append(pattern)
            continue
        found += [str(f.relative_to(root)) for f in sorted(root.glob(pattern))]
    return list(dict.fromkeys(found))


def migrates(path: str) -> bool:
    """Whether a database made before the mutant would hide it."""
    inside = path.removeprefix(SRC + "engines/postgres/")
    return inside.startswith(("protection", "migrate", "queries_protection", "sql/"))


def is_passed_by_all(path: str) -> bool:
    """Whether every test with a store passes by."""
    inside = path.removeprefix(SRC + "engines/postgres/")
    return inside.startswith(("protection", "migrate", "base", "access", "connect"))
