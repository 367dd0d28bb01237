"""Root keys in AWS KMS and Vault Transit, over real TLS against servers that check everything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.clock import FakeClock
from tests.support.key_services import FakeKms, FakeVault
from tests.support.tls_server import Served, https_server, origin

from chartloom.domain.errors import ConfigurationError
from chartloom.guard.keys import (
    AppRole,
    AwsCredentials,
    AwsKms,
    KeyDamaged,
    KeyServiceRefused,
    RootedKek,
    VaultTransit,
    credentials_from,
)
from chartloom.guard.keys.sigv4 import sign

REGION = "eu-central-1"
CREDENTIALS = AwsCredentials("AKIDTEST", "very/secret+key")
PLAIN = bytes(range(32))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def kms(clock: FakeClock) -> FakeKms:
    return FakeKms({"AKIDTEST": "very/secret+key"}, REGION, clock.time_us)


@pytest.fixture
def aws(tmp_path: Path, kms: FakeKms) -> Iterator[Served]:
    with https_server(tmp_path, kms) as served:
        yield served


@pytest.fixture
def vault() -> FakeVault:
    return FakeVault()


@pytest.fixture
def transit(tmp_path: Path, vault: FakeVault) -> Iterator[Served]:
    with https_server(tmp_path, vault) as served:
        yield served


def root_aws(served: Served, clock: FakeClock, who: AwsCredentials = CREDENTIALS) -> AwsKms:
    return AwsKms(FakeKms.arn, REGION, lambda: who, clock, origin(served))


# SigV4


def test_sigv4_matches_the_published_example() -> None:
    """The IAM ListUsers example of the AWS General Reference."""
    signed = sign(
        AwsCredentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        region="us-east-1",
        service="iam",
        method="GET",
        path="/",
        query="Action=ListUsers&Version=2010-05-08",
        headers={
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            "Host": "iam.amazonaws.com",
        },
        body=b"",
        now_us=1_440_938_160_000_000,
    )
    assert signed["X-Amz-Date"] == "20150830T123600Z"
    assert signed["Authorization"].endswith(
        "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    )


def test_credentials_come_from_the_usual_variables() -> None:
    found = credentials_from(
        {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}
    )
    assert (found.access_key_id, found.secret_access_key, found.session_token) == ("a", "s", "t")
    assert "s" not in repr(found).removeprefix("AwsCredentials")
    with pytest.raises(ConfigurationError):
        credentials_from({"AWS_ACCESS_KEY_ID": "a"})


# AWS KMS


def test_kms_encrypts_and_decrypts(aws: Served, clock: FakeClock) -> None:
    root = root_aws(aws, clock)
    sealed = root.encrypt(PLAIN, "one")
    assert root.decrypt(sealed, "one") == PLAIN
    assert root.decrypt(root.renew(sealed, "one"), "one") == PLAIN
    assert [a.headers["x-amz-target"] for a in aws.asked][:2] == [
        "TrentService.Encrypt",
        "TrentService.Decrypt",
    ]
    root.rotate()


def test_kms_binds_the_context(aws: Served, clock: FakeClock) -> None:
    root = root_aws(aws, clock)
    with pytest.raises(KeyServiceRefused, match="InvalidCiphertext"):
        root.decrypt(root.encrypt(PLAIN, "one"), "two")


def test_kms_takes_session_tokens(aws: Served, kms: FakeKms, clock: FakeClock) -> None:
    kms.session_token = "temporary"
    with pytest.raises(KeyServiceRefused):
        root_aws(aws, clock).encrypt(PLAIN, "one")
    who = AwsCredentials("AKIDTEST", "very/secret+key", "temporary")
    root = root_aws(aws, clock, who)
    assert root.decrypt(root.encrypt(PLAIN, "one"), "one") == PLAIN


@pytest.mark.parametrize(
    "who",
    [AwsCredentials("AKIDTEST", "another secret"), AwsCredentials("AKIDOTHER", "very/secret+key")],
)
def test_kms_refuses_other_credentials(aws: Served, clock: FakeClock, who: AwsCredentials) -> None:
    with pytest.raises(KeyServiceRefused) as refused:
        root_aws(aws, clock, who).encrypt(PLAIN, "one")
    assert "Plaintext" not in str(refused.value)  # the service echoed the request


def test_kms_refuses_stale_requests_and_disabled_keys(
    aws: Served, kms: FakeKms, clock: FakeClock
) -> None:
    root = root_aws(aws, clock)
    kms.disabled = True
    with pytest.raises(KeyServiceRefused, match="DisabledException"):
        root.encrypt(PLAIN, "one")
    clock.time_us += 600_000_000
    with pytest.raises(KeyServiceRefused, match="RequestExpired"):
        root.encrypt(PLAIN, "one")


# Vault Transit


def root_vault(served: Served, clock: FakeClock, auth: object = None) -> VaultTransit:
    return VaultTransit(
        origin(served),
        "chartloom",
        auth or (lambda: "static-token"),  # type: ignore[arg-type]
        clock,
    )


def test_vault_encrypts_by_version_and_rewraps(
    transit: Served, vault: FakeVault, clock: FakeClock
) -> None:
    root = root_vault(transit, clock)
    sealed = root.encrypt(PLAIN, "one")
    assert sealed.startswith("vault:v1:")
    root.rotate()
    renewed = root.renew(sealed, "one")
    assert renewed.startswith("vault:v2:")
    assert root.decrypt(renewed, "one") == root.decrypt(sealed, "one") == PLAIN
    vault.min_decryption_version = 2
    with pytest.raises(KeyServiceRefused, match="status 400"):
        root.decrypt(sealed, "one")


def test_vault_refuses_a_wrong_token(transit: Served, clock: FakeClock) -> None:
    with pytest.raises(KeyServiceRefused, match="status 403"):
        root_vault(transit, clock, lambda: "wrong").encrypt(PLAIN, "one")


def test_vault_logs_in_by_approle_and_again_when_the_lease_ends(
    transit: Served, vault: FakeVault, clock: FakeClock
) -> None:
    root = root_vault(transit, clock, AppRole("role-1", "secret-1"))
    sealed = root.encrypt(PLAIN, "one")
    assert root.decrypt(sealed, "one") == PLAIN
    assert vault.logins == 1
    clock.time_us += 3600 * 1_000_000
    assert root.decrypt(sealed, "one") == PLAIN
    assert vault.logins == 2
    vault.tokens.clear()  # revoked
    with pytest.raises(KeyServiceRefused):
        root.decrypt(sealed, "one")
    assert root.decrypt(sealed, "one") == PLAIN
    with pytest.raises(KeyServiceRefused):
        root_vault(transit, clock, AppRole("role-1", "wrong")).encrypt(PLAIN, "one")
    assert "secret-1" not in repr(AppRole("role-1", "secret-1"))


def test_vault_namespaces(tmp_path: Path, clock: FakeClock) -> None:
    with https_server(tmp_path, FakeVault(namespace="team")) as served:
        there = VaultTransit(
            origin(served), "chartloom", lambda: "static-token", clock, namespace="team"
        )
        assert there.decrypt(there.encrypt(PLAIN, ""), "") == PLAIN
        with pytest.raises(KeyServiceRefused, match="404"):
            root_vault(served, clock).encrypt(PLAIN, "")


# Generations kept by a key service


def test_generations_survive_a_restart_and_a_renewed_root(
    transit: Served, vault: FakeVault, clock: FakeClock, tmp_path: Path
) -> None:
    folder = tmp_path / "kek"
    kek = RootedKek(root_vault(transit, clock), folder, create=True)
    generation, wrapped = kek.wrap([PLAIN])
    assert PLAIN.hex() not in (folder / "1.wrapped").read_text()
    assert kek.rotate() == 2
    assert kek.renew_root() == 2
    vault.min_decryption_version = 2
    again = RootedKek(root_vault(transit, clock), folder)
    assert again.unwrap(generation, wrapped) == [PLAIN]
    assert again.describe().kind == "vault-transit"
    assert again.describe().generations == (1, 2)
    assert "chartloom" in again.describe().where


def test_generations_in_kms_are_bound_to_their_number(
    aws: Served, clock: FakeClock, tmp_path: Path
) -> None:
    folder = tmp_path / "kek"
    kek = RootedKek(root_aws(aws, clock), folder, create=True)
    kek.rotate()
    (folder / "1.wrapped").write_bytes((folder / "2.wrapped").read_bytes())
    with pytest.raises(KeyServiceRefused):
        RootedKek(root_aws(aws, clock), folder)


def test_a_swapped_generation_is_noticed_by_its_check(
    transit: Served, clock: FakeClock, tmp_path: Path
) -> None:
    folder = tmp_path / "kek"
    root = root_vault(transit, clock)
    RootedKek(root, folder, create=True)
    text = (folder / "1.wrapped").read_text()
    other = root.encrypt(bytes(32), "")
    start = text.index('"vault:')
    end = text.index('"', start + 1)
    (folder / "1.wrapped").write_text(text[:start] + '"' + other + text[end:])
    with pytest.raises(KeyDamaged):
        RootedKek(root, folder)


def test_a_damaged_generation_file_is_named(
    transit: Served, clock: FakeClock, tmp_path: Path
) -> None:
    folder = tmp_path / "kek"
    RootedKek(root_vault(transit, clock), folder, create=True)
    (folder / "1.wrapped").write_text("{")
    with pytest.raises(ConfigurationError, match=r"1\.wrapped"):
        RootedKek(root_vault(transit, clock), folder)
