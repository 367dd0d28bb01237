"""PIX (ITI-9) and PDQ (ITI-21) in HL7 v2: one message in, one message out.

An answer tells whether it was understood (MSA-1, QAK-2) and where it was not (ERR). What is not
there and what the sender may not see are answered alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from chartloom.domain.audit import AuditUnavailable
from chartloom.domain.errors import ConfigurationError, GrantRefused, StoreUnavailable
from chartloom.domain.grant import Purpose
from chartloom.domain.ports import Clock
from chartloom.formats.hl7v2 import (
    AckError,
    Peek,
    Query,
    QueryKind,
    Segment,
    Tree,
    acknowledge,
    escape,
    parse,
    peek,
    read_query,
)
from chartloom.guard.audit import events
from chartloom.guard.authority import AccessDenied, Asking
from chartloom.guard.ca import DenyList
from chartloom.guard.clients import Clients, RegisteredClient
from chartloom.guard.staff import Principal
from chartloom.serve.access import Handles
from chartloom.serve.client_registry import people
from chartloom.serve.client_registry.pid import PidWriter
from chartloom.serve.client_registry.registry import Asker, ClientRegistry, Declined, Page
from chartloom.serve.client_registry.v2_terms import (
    Wrong,
    known_domains,
    read_search,
    unknown_key,
)
from chartloom.serve.shield import policy_scopes

_TRANSACTIONS: Final = {
    QueryKind.CROSS_REFERENCE: "ITI-9",
    QueryKind.DEMOGRAPHICS: "ITI-21",
    QueryKind.CANCEL: "ITI-21",
}
_KINDS: Final = {
    QueryKind.CROSS_REFERENCE: ("RSP", "K23", "RSP_K23"),
    QueryKind.DEMOGRAPHICS: ("RSP", "K22", "RSP_K21"),
}
_BUSY: Final = AckError("207", text="Not answered now. Ask again later.")
_STRANGER: Final = AckError("207", text="This sender is not known at this door.")
_TOO_LARGE: Final = AckError("104", text="No query is this large.")
_NO_HEADER: Final = AckError("100", text="No usable MSH segment.")
_TOO_OFTEN: Final = AckError("207", text="Too many queries. Ask again later.")
_PAGE_MAX: Final = 100
_PAGE: Final = 25


class DoorRules(msgspec.Struct, frozen=True):
    """How the door tells who asks. by_application: by MSH-3 and MSH-4 (without TLS, on this
    machine only). purpose: that every sender asks for. charset: where MSH-18 is empty."""

    by_application: bool = False
    purpose: Purpose = Purpose.TREATMENT
    charset: str = "utf-8"


class V2Door:
    """Answers queries. Thread-safe.

    handles: makes pointers to further pages that nobody else can use. take: whether a sender may
    ask once more just now. next_control_id: for MSH-10 of answers.
    """

    def __init__(
        self,
        registry: ClientRegistry,
        clients: Clients,
        handles: Handles,
        clock: Clock,
        next_control_id: Callable[[], str],
        rules: DoorRules = DoorRules(),  # noqa: B008 - frozen
        *,
        denied: DenyList | None = None,
        take: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._registry, self._clients, self._handles = registry, clients, handles
        self._clock, self._next_control_id = clock, next_control_id
        self._rules, self._denied, self._take = rules, denied, take

    def knows(self, certificate: bytes) -> bool:
        """Whether a connection may be made with this certificate (``b""``: none)."""
        if not certificate:
            return self._rules.by_application
        try:
            if self._denied is not None and self._denied.denied(certificate):
                return False
        except ConfigurationError:
            return False
        return self._clients.of_certificate(certificate) is not None

    def answer(
        self, body: bytes, certificate: bytes, address: str, request_id: str, *, cut: bool = False
    ) -> bytes:
        """The answer to one message, unframed. cut: it was too large, and body is its head."""
        seen = peek(body, charset=self._rules.charset)
        client = self._client(seen, certificate)
        asking = Asking(address, request_id)
        if seen.fatal or client is None or cut:
            error = _NO_HEADER if seen.fatal else _STRANGER if client is None else _TOO_LARGE
            reason = "no-header" if seen.fatal else "stranger" if client is None else "too-large"
            return self._turned_away(seen, client, asking, error, reason)
        if not self._take(client.id):
            return self._turned_away(seen, client, asking, _TOO_OFTEN, "too-often")
        return self._known(parse(body, charset=self._rules.charset), seen, client, asking)

    def _known(self, tree: Tree, seen: Peek, client: RegisteredClient, asking: Asking) -> bytes:
        scopes = policy_scopes(frozenset(client.scopes))
        asker = Asker(
            Principal(client.id, scopes=scopes, service=True), self._rules.purpose, asking
        )
        reply = _Reply(self, seen, tree)
        query = read_query(tree)
        try:
            if isinstance(query, AckError):
                self._registry.decline(asker, "ITI-21" if "Q22" in tree.message_type else "ITI-9")
                return reply.error("AR" if query.location == "MSH-9" else "AE", query)
            if query.kind is QueryKind.CANCEL:
                self._registry.decline(asker, "ITI-21")
                return reply.plain("AA")
            if query.kind is QueryKind.CROSS_REFERENCE:
                return self._cross_reference(reply, asker, query)
            return self._demographics(reply, asker, query, client.id)
        except (AccessDenied, GrantRefused):
            return reply.error("AE", _STRANGER)
        except (StoreUnavailable, AuditUnavailable):
            return reply.error("AR", _BUSY)

    def _cross_reference(self, reply: _Reply, asker: Asker, query: Query) -> bytes:
        domains, transaction = self._registry.domains, _TRANSACTIONS[query.kind]
        domain = domains.of_authority(query.authority)
        try:
            if domain is None:
                raise Wrong(unknown_key("QPD-3[1].4"))
            targets = known_domains(query, domains, 4)
        except Wrong as wrong:
            self._registry.decline(asker, transaction)
            return reply.error("AE", wrong.error)
        try:
            _, numbers = self._registry.cross_reference(
                asker, domain, query.number, targets, transaction
            )
        except Declined as declined:
            if declined.code == "duplicate-key":
                text = "This identifier stands for several persons."
                return reply.error("AE", AckError("205", location="QPD-3[1].1", text=text))
            if declined.code == "too-costly":
                text = _sentence(declined)
                return reply.error("AE", AckError("207", location="QPD-3[1].1", text=text))
            return reply.error("AE", unknown_key("QPD-3[1].1"))
        if not numbers:
            return reply.found([])
        return reply.found([reply.writer.cross_reference(numbers)])

    def _demographics(self, reply: _Reply, asker: Asker, query: Query, client: str) -> bytes:
        transaction = _TRANSACTIONS[query.kind]
        asked = hashlib.sha256(msgspec.msgpack.encode((query.parameters, query.domains)))
        name, mark = f"pdq {client}", asked.hexdigest()[:16]
        after = self._handles.reveal(query.pointer, name) if query.pointer else {"a": "", "q": mark}
        try:
            if after.get("q") != mark:
                text = "This pointer is not of this query."
                raise Wrong(AckError("204", location="DSC-1", text=text))
            search = read_search(query, self._registry.domains)
        except Wrong as wrong:
            self._registry.decline(asker, transaction)
            return reply.error("AE", wrong.error)
        limit = min(query.limit or _PAGE, _PAGE_MAX)
        try:
            page = self._registry.search(asker, search, transaction, after=after["a"], limit=limit)
        except Declined as declined:
            return reply.error("AE", AckError("207", location="QPD-3", text=_sentence(declined)))
        more = self._handles.hide({"a": page.after, "q": mark}, name) if page.after else ""
        return reply.found(self._segments(reply.writer, page, search.targets), more)

    def _segments(self, writer: PidWriter, page: Page, targets: Sequence[object]) -> list[str]:
        domains = self._registry.domains
        found = []
        for person in page.persons:
            numbers = people.numbers(person, domains)
            wanted = [n for n in numbers if not targets or n.domain in targets]
            found.append(writer.demographics(people.resource(person, domains), wanted))
        return found

    def _client(self, seen: Peek, certificate: bytes) -> RegisteredClient | None:
        if certificate:
            return self._clients.of_certificate(certificate) if self.knows(certificate) else None
        if not self._rules.by_application:
            return None
        return self._clients.of_application(seen.sending_application, seen.sending_facility)

    def _turned_away(
        self,
        seen: Peek,
        client: RegisteredClient | None,
        asking: Asking,
        error: AckError,
        reason: str,
    ) -> bytes:
        principal = Principal(client.id if client else "nobody", service=True)
        authority = self._registry.authority
        about = authority.context(principal, self._rules.purpose, asking)
        try:
            authority.record(events.denied(about, reason, what="door/identity"))
        except AuditUnavailable:
            error = _BUSY
        return self.acknowledge(seen, "AR", (error,))

    def acknowledge(
        self,
        seen: Peek,
        code: str,
        errors: Sequence[AckError] = (),
        kind: Sequence[str] = (),
        segments: Sequence[str] = (),
    ) -> bytes:
        """An answer with a number and a time of its own."""
        return acknowledge(
            seen,
            code,
            control_id=self._next_control_id(),
            now_us=self._clock.now_us(),
            errors=errors,
            kind=kind,
            segments=segments,
        )


class _Reply:
    """The answer to one query: its parts that come from the query itself."""

    def __init__(self, door: V2Door, seen: Peek, tree: Tree) -> None:
        self._door, self._seen, self._qpd = door, seen, tree.first("QPD")
        self._d = seen.delimiters
        self.writer = PidWriter(self._d)
        event = tree.message_type.partition("^")[2]
        self._kind = next((k for q, k in _KINDS.items() if k[1][1:] == event[1:]), ())

    def plain(self, code: str) -> bytes:
        """An acknowledgement and nothing else."""
        return self._door.acknowledge(self._seen, code)

    def error(self, code: str, error: AckError) -> bytes:
        """What was wrong, with the query as it came."""
        if not self._kind or self._qpd is None:
            return self._door.acknowledge(self._seen, code, (error,))
        segments = [self._qak("AR" if code == "AR" else "AE"), self._echo(self._qpd)]
        return self._door.acknowledge(self._seen, code, (error,), self._kind, segments)

    def found(self, pids: Sequence[str], more: str = "") -> bytes:
        """The persons found, and where to go on."""
        assert self._qpd is not None
        segments = [self._qak("OK" if pids or more else "NF")]
        segments += [self._echo(self._qpd), *pids]
        if more:
            segments.append(self._d.field.join(("DSC", more, "I")))
        return self._door.acknowledge(self._seen, "AA", (), self._kind, segments)

    def _qak(self, status: str) -> str:
        tag = escape(self._qpd.value(2), self._d) if self._qpd else ""
        return self._d.field.join(("QAK", tag, status))

    def _echo(self, qpd: Segment) -> str:
        """QPD as it was asked; line breaks that a broken sender left in it are escaped."""
        return "".join(escape(c, self._d) if c in "\r\n\x0b\x1c" else c for c in qpd.raw)


def _sentence(declined: Declined) -> str:
    text = declined.what
    return text[:1].upper() + text[1:]
