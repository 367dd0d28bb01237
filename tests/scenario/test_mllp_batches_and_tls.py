"""Batches in MLLP frames, and MLLP over TLS with client certificates."""

from __future__ import annotations

import asyncio
import datetime
import ssl
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.support.ingest import ListLanding, Sender, frame, message, mllp_feed, msa, run, server

from chartloom.domain.errors import ConfigurationError
from chartloom.sources import IngestServer, events
from chartloom.sources.batches import BATCH_MESSAGES_MAX
from chartloom.sources.tls import client_context


def _segments(answer: bytes) -> list[str]:
    return [s[:3].decode() for s in answer.split(b"\r") if s]


def test_an_enveloped_batch_is_answered_by_one_batch() -> None:
    landing = ListLanding()
    bodies = [message(f"B{i}") for i in range(3)]
    batch = (
        b"FHS|^~\\&|APP|FAC|US|HERE|20260101||||FILE7\r"
        b"BHS|^~\\&|APP|FAC|US|HERE|20260101||||BATCH9\r" + b"".join(bodies) + b"BTS|3\rFTS|1\r"
    )

    async def main() -> None:
        async with server([mllp_feed()], landing) as ingest:
            sender = await Sender.connect(ingest)
            answer = await sender.ask(batch)
            expected = ["FHS", "BHS", *["MSH", "MSA"] * 3, "BTS", "FTS"]
            assert _segments(answer) == expected
            lines = answer.split(b"\r")
            assert lines[0].split(b"|")[2:6] == [b"US", b"HERE", b"APP", b"FAC"]
            assert lines[0].split(b"|")[11] == b"FILE7"
            assert lines[1].split(b"|")[11] == b"BATCH9"
            assert b"BTS|3" in lines
            assert [line for line in lines if line.startswith(b"MSA")] == [
                b"MSA|AA|B0",
                b"MSA|AA|B1",
                b"MSA|AA|B2",
            ]
            assert not ingest.stats["adt"].events
            assert await sender.silent(0.05)

    run(main)
    assert landing.bodies == bodies


def test_a_batch_with_a_wrong_count_and_stray_bytes_loses_nothing() -> None:
    landing = ListLanding()
    batch = b"BHS|^~\\&|APP\r" + message("A") + b"BTS|5\r" + b"what is this\r"

    async def main() -> None:
        async with server([mllp_feed()], landing) as ingest:
            sender = await Sender.connect(ingest)
            answer = await sender.ask(batch)
            assert b"MSA|AA|A" in answer
            assert b"MSA|AE" in answer
            assert {"hl7v2-batch-count", "hl7v2-batch-stray"} <= set(ingest.stats["adt"].events)

    run(main)
    assert b"".join(landing.bodies) == message("A") + b"what is this\r"


def test_several_messages_in_a_frame_without_envelope_get_an_answer_each() -> None:
    landing = ListLanding()

    async def main() -> None:
        async with server([mllp_feed()], landing) as ingest:
            sender = await Sender.connect(ingest)
            await sender.send(frame(message("A") + message("B")))
            assert msa(await sender.answer()) == ("AA", "A")
            assert msa(await sender.answer()) == ("AA", "B")

    run(main)
    assert landing.bodies == [message("A"), message("B")]


def test_a_batch_during_an_outage_is_refused_message_by_message() -> None:
    landing = ListLanding(down=True)

    async def main() -> None:
        async with server([mllp_feed()], landing) as ingest:
            sender = await Sender.connect(ingest)
            answer = await sender.ask(b"BHS|^~\\&|APP\r" + message("A") + message("B") + b"BTS|2")
            assert answer.count(b"MSA|AR|") == 2
            assert b"MSA|A" + b"A" not in answer

    run(main)


def test_a_batch_of_too_many_messages_is_refused_as_a_whole() -> None:
    landing = ListLanding()
    tiny = message("ONE") + b"MSH|^~\\&|\r" * BATCH_MESSAGES_MAX

    async def main() -> None:
        async with server([mllp_feed()], landing) as ingest:
            sender = await Sender.connect(ingest)
            assert msa(await sender.ask(tiny)) == ("AR", "ONE")
            assert msa(await sender.ask(message("TWO"))) == ("AA", "TWO")
            assert ingest.stats["adt"].events == {events.BATCH: 1}

    run(main)
    assert [a.control_id for a in landing.arrivals] == ["TWO"]


def test_an_empty_batch_is_answered_by_an_empty_batch() -> None:
    async def main() -> None:
        async with server([mllp_feed()], ListLanding()) as ingest:
            sender = await Sender.connect(ingest)
            assert _segments(await sender.ask(b"BHS|^~\\&|APP\rBTS|0\r")) == ["BHS", "BTS"]
            assert msa(await sender.ask(message("A"))) == ("AA", "A")

    run(main)


class Authority:
    """A certificate authority for one test."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._sign(self._subject, self._key.public_key(), ca=True)
        self.path = folder / f"{name}.pem"
        self.path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str) -> tuple[Path, Path]:
        """Certificate and key files for ``name``."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(subject, key.public_key(), ca=False)
        cert_path, key_path = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        cert_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key_path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return cert_path, key_path

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, ca: bool
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_tls_with_client_certificates(tmp_path: Path, loop: str) -> None:
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    cert, key = ours.issue("server")
    good = client_context(ours.path, *ours.issue("lab"))
    stranger = client_context(ours.path, *theirs.issue("stranger"))
    nobody = client_context(ours.path)
    for context in (good, stranger, nobody):
        context.check_hostname = False
    landing = ListLanding()
    feed = mllp_feed(tls_cert=cert.name, tls_key=key.name, tls_client_ca=ours.path.name)

    async def connect_and_ask(ingest: IngestServer, context: ssl.SSLContext) -> None:
        await (await Sender.connect(ingest, ssl=context)).ask(message("X"))

    async def main() -> None:
        async with server([feed], landing, base=tmp_path) as ingest:
            sender = await Sender.connect(ingest, ssl=good)
            assert msa(await sender.ask(message("A"))) == ("AA", "A")
            await sender.send(b"".join(frame(message(f"P{i}")) for i in range(200)))
            for i in range(200):
                assert msa(await sender.answer()) == ("AA", f"P{i}")
            for context in (stranger, nobody):
                with pytest.raises((OSError, EOFError, AssertionError)):
                    await connect_and_ask(ingest, context)
            plain = await Sender.connect(ingest)
            await plain.send(frame(message("Y")))
            assert b"MSA|AA" not in await plain.reader.read(1000)

    run(main, loop)
    assert {a.control_id[0] for a in landing.arrivals} == {"A", "P"}


def test_unusable_tls_files_are_named_at_start(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("not a certificate")

    async def main() -> None:
        feed = mllp_feed(tls_cert="bad.pem", tls_key="bad.pem")
        with pytest.raises(ConfigurationError, match=r"bad\.pem"):
            await server([feed], ListLanding(), base=tmp_path).start()

    run(main)


def test_clients_do_not_trust_unknown_servers(tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    cert, key = theirs.issue("server")

    async def main() -> None:
        feed = mllp_feed(tls_cert=cert.name, tls_key=key.name)
        async with server([feed], ListLanding(), base=tmp_path) as ingest:
            with pytest.raises(ssl.SSLError):
                await Sender.connect(ingest, ssl=client_context(ours.path))

    run(main)


def test_the_command_sends_over_tls(tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    cert, key = ours.issue("server")
    lab_cert, lab_key = ours.issue("lab")
    landing = ListLanding()
    (tmp_path / "m.hl7").write_bytes(message("C1"))
    feed = mllp_feed(tls_cert=cert.name, tls_key=key.name, tls_client_ca=ours.path.name)

    async def send(port: int, *options: str | Path) -> int:
        command = ("-m", "chartloom.cli", "send", tmp_path / "m.hl7", "--json", "--timeout-s", "5")
        to = ("--to", f"mllps://localhost:{port}")
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, *to, *options, stdout=-3, stderr=-3
        )
        return await process.wait()

    async def main() -> list[int]:
        async with server([feed], landing, base=tmp_path) as ingest:
            _, port = ingest.ready()["adt"] or ("", 0)
            shown = ("--tls-cert", lab_cert, "--tls-key", lab_key)
            return [
                await send(port, "--tls-ca", ours.path, *shown),
                await send(port, "--tls-ca", theirs.path, *shown),
            ]

    assert run(main) == [0, 1]
    assert [a.control_id for a in landing.arrivals] == ["C1"]
