"""What can go wrong on the way in, as coded events: counted per feed, logged without values.

They are registered as Issue codes so that each has a title and a cure. They concern transport, so
they stand in metrics and logs, not with a message; what is landed is judged by the workers.
"""

from __future__ import annotations

from typing import Final

from chartloom.domain.issues import IssueCode, Severity, register_codes

GARBAGE: Final = "mllp-garbage-between-frames"
MISSING_START: Final = "mllp-missing-start"
MISSING_CR: Final = "mllp-missing-carriage-return"
HALF_FRAME: Final = "mllp-half-frame"
FRAME_TIMEOUT: Final = "mllp-frame-timeout"
NO_HEADER: Final = "ingest-no-header"
UNREADABLE: Final = "ingest-unreadable"
OVERSIZE: Final = "ingest-oversize"
BATCH: Final = "ingest-batch-limit"
MEMORY: Final = "ingest-memory-budget"
RATE: Final = "ingest-rate-limit"
CONNECTIONS: Final = "ingest-connection-limit"
STRANGER: Final = "ingest-unknown-sender"
STORE: Final = "ingest-store-unavailable"
REFUSED: Final = "ingest-refused-by-store"
HTTP_REFUSED: Final = "http-refused"
FILE_CHANGED: Final = "files-changed-while-read"
FILE_FAILED: Final = "files-failed"
FOLDER: Final = "files-folder-unavailable"

_W, _E = Severity.WARNING, Severity.ERROR

CODES: Final = (
    IssueCode(
        GARBAGE,
        _W,
        "Bytes outside of any MLLP frame were received and skipped.",
        "Let the sender put 0x0B before and 0x1C 0x0D after each message, and nothing between.",
    ),
    IssueCode(
        MISSING_START,
        _W,
        "A message came without the MLLP start byte 0x0B; it was taken all the same.",
        "Let the sender put 0x0B before each message.",
    ),
    IssueCode(
        MISSING_CR,
        _W,
        "An MLLP frame ended with 0x1C but without the carriage return; it was taken all the same.",
        "Let the sender end each frame with 0x1C 0x0D.",
    ),
    IssueCode(
        HALF_FRAME,
        _W,
        "A frame was begun and never ended: the connection closed or a new frame began. "
        "It was not acknowledged and nothing of it was kept.",
        "The sender must send the message again; check why it stops within messages.",
    ),
    IssueCode(
        FRAME_TIMEOUT,
        _W,
        "A begun frame was not complete within the feed's frame_timeout_s; it was refused.",
        "Check the sender and the network, or raise frame_timeout_s in [limits] of the feed.",
    ),
    IssueCode(
        NO_HEADER,
        _E,
        "What was received does not begin with a usable message header; it was landed verbatim "
        "and answered negatively.",
        "See the message in quarantine; check that sender and feed speak the same format.",
    ),
    IssueCode(
        UNREADABLE,
        _E,
        "The feed acknowledges what is parsed, and this message cannot be; it was landed verbatim.",
        "See the message in quarantine, correct the sender, or set acknowledge to landed.",
    ),
    IssueCode(
        OVERSIZE,
        _E,
        "A message was larger than the feed's message_size_bytes_max; nothing of it was kept.",
        "Raise message_size_bytes_max in [limits] of the feed, and let the sender send it again.",
    ),
    IssueCode(
        BATCH,
        _E,
        "A batch held more than 10,000 messages; nothing of it was kept.",
        "Let the sender split it into smaller batches, or put it into a watched folder as a file.",
    ),
    IssueCode(
        MEMORY,
        _W,
        "Too many large messages arrive at the same time; one was refused and not kept.",
        "The sender should send it again; raise the partial-frame budget or lower the number "
        "of parallel senders of large messages.",
    ),
    IssueCode(
        RATE,
        _W,
        "A feed sent faster than its messages_per_second_max; messages were refused and not kept.",
        "Let the sender slow down, or raise messages_per_second_max in [limits] of the feed.",
    ),
    IssueCode(
        CONNECTIONS,
        _W,
        "A feed has more connections than its connections_max; the newest was refused.",
        "Close connections that are not needed, or raise connections_max in [limits].",
    ),
    IssueCode(
        STRANGER,
        _W,
        "Somebody connected whose certificate is not that of a service that may send to the feed, "
        "or is denied; the connection was closed.",
        "Name the certificate and the feed in clients.toml, or find out who that was.",
    ),
    IssueCode(
        STORE,
        _E,
        "The store could not make a message durable in time; it was refused.",
        "Check the store with 'chartloom doctor'; senders should send again.",
    ),
    IssueCode(
        REFUSED,
        _E,
        "The store cannot hold a message; nothing of it was kept, and its sender was told.",
        "Report it with the code in the ingest log; the sender keeps the message.",
    ),
    IssueCode(
        HTTP_REFUSED,
        _W,
        "An HTTP request was refused (authorisation, content type, path or format).",
        "The answer's OperationOutcome told the sender why; correct the request.",
    ),
    IssueCode(
        FILE_CHANGED,
        _W,
        "A file changed while it was read; it is read again when it is at rest.",
        "Let the writer rename files into the folder when complete, or raise settle_s.",
    ),
    IssueCode(
        FILE_FAILED,
        _E,
        "A file could not be taken completely and was put into the folder 'failed'.",
        "Read the .reason file beside it, correct it, and move the file back.",
    ),
    IssueCode(
        FOLDER,
        _E,
        "The watched folder cannot be read or written.",
        "Check that it exists and that Chartloom's user may read, write and rename in it.",
    ),
)
register_codes(*CODES)
