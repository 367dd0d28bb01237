"""Everything that can be wrong with the shape of an HL7 v2 message, and what to do about it."""

from __future__ import annotations

from typing import Final

from chartloom.domain.issues import IssueCode, Severity, register_codes

NO_HEADER: Final = "hl7v2-no-msh"
TOO_LARGE: Final = "hl7v2-too-large"
TOO_MANY_PARTS: Final = "hl7v2-too-many-parts"
BYTES_BEFORE_HEADER: Final = "hl7v2-bytes-before-msh"
SEVERAL_MESSAGES: Final = "hl7v2-several-messages"
ENCODING_CHARACTERS: Final = "hl7v2-encoding-characters"
DELIMITERS_AMBIGUOUS: Final = "hl7v2-delimiters-ambiguous"
SEGMENT_NAME: Final = "hl7v2-segment-name"
EMBEDDED_NEWLINE: Final = "hl7v2-embedded-newline"
CONTROL_CHARACTER: Final = "hl7v2-control-character"
SEGMENTS_LIMIT: Final = "hl7v2-segments-limit"
FIELDS_LIMIT: Final = "hl7v2-fields-limit"
REPETITIONS_LIMIT: Final = "hl7v2-repetitions-limit"
CHARSET_UNKNOWN: Final = "hl7v2-charset-unknown"
CHARSET_CONTRADICTED: Final = "hl7v2-charset-contradicted"
UNDECODABLE: Final = "hl7v2-undecodable"
NO_MESSAGE_TYPE: Final = "hl7v2-no-message-type"
NO_CONTROL_ID: Final = "hl7v2-no-control-id"
VERSION_UNKNOWN: Final = "hl7v2-version-unknown"
BATCH_COUNT: Final = "hl7v2-batch-count"
BATCH_ENVELOPE: Final = "hl7v2-batch-envelope"
BATCH_STRAY: Final = "hl7v2-batch-stray"

_F, _E, _W = Severity.FATAL, Severity.ERROR, Severity.WARNING

register_codes(
    IssueCode(
        NO_HEADER,
        _F,
        "The bytes hold no usable MSH segment, so they cannot be read as HL7 v2.",
        "Check what the sender puts on this connection; after a fix, replay from quarantine.",
    ),
    IssueCode(
        TOO_LARGE,
        _F,
        "The message is larger than the parser's limit and was not read.",
        "Raise the feed's limit of message size if such messages are expected.",
    ),
    IssueCode(
        TOO_MANY_PARTS,
        _F,
        "The message has more delimiters than the parser's limit and was not read.",
        "Check the sender; raise the limit of parts if such messages are expected.",
    ),
    IssueCode(
        BYTES_BEFORE_HEADER,
        _W,
        "There are bytes in front of the MSH segment that belong to no segment.",
        "Check the sender's framing; files of many messages must be split before parsing.",
    ),
    IssueCode(
        SEVERAL_MESSAGES,
        _E,
        "A second MSH segment stands inside one message.",
        "Have the sender frame each message by itself, or read the source as a batch.",
    ),
    IssueCode(
        ENCODING_CHARACTERS,
        _W,
        "MSH-2 has none or too many characters; the usual ones or the first five were taken.",
        "Have the sender write the usual ^~\\& (or ^~\\&# from version 2.7) in MSH-2.",
    ),
    IssueCode(
        DELIMITERS_AMBIGUOUS,
        _E,
        "Two delimiters are the same character, or one is a letter or digit.",
        "Have the sender use five different punctuation characters in MSH-1 and MSH-2.",
    ),
    IssueCode(
        SEGMENT_NAME,
        _W,
        "A line starts with something that is not a valid segment name; it was kept.",
        "Segment names are three characters, upper-case letters and digits, at the line's start.",
    ),
    IssueCode(
        EMBEDDED_NEWLINE,
        _W,
        "A field holds an unescaped line break; the lines were joined again.",
        "Have the sender write line breaks in text as \\.br\\ or as repetitions.",
    ),
    IssueCode(
        CONTROL_CHARACTER,
        _W,
        "The message holds control characters that HL7 v2 does not allow in text.",
        "Have the sender remove them, or escape them as \\X..\\.",
    ),
    IssueCode(
        SEGMENTS_LIMIT,
        _E,
        "The message has more segments than the limit; the rest was kept but not read.",
        "Raise the limit of segments if such messages are expected.",
    ),
    IssueCode(
        FIELDS_LIMIT,
        _E,
        "A segment has more fields than the limit; the rest stayed in its last field.",
        "Raise the limit of fields if such segments are expected.",
    ),
    IssueCode(
        REPETITIONS_LIMIT,
        _W,
        "A field has more repetitions than the limit; all of them were kept.",
        "Check the sender, or raise the limit of repetitions if such fields are expected.",
    ),
    IssueCode(
        CHARSET_UNKNOWN,
        _E,
        "MSH-18 names a character set that is not supported; only its ASCII part was read.",
        "Have the sender use UNICODE UTF-8, or another character set of HL7 table 0211.",
    ),
    IssueCode(
        CHARSET_CONTRADICTED,
        _W,
        "MSH-18 says ASCII, but there are other bytes; they were read in the feed's character set.",
        "Have the sender name the character set it really uses in MSH-18.",
    ),
    IssueCode(
        UNDECODABLE,
        _E,
        "Bytes are not valid in the message's character set; they show as U+FFFD.",
        "Correct MSH-18 at the sender or the feed's charset, then replay; the bytes are kept.",
    ),
    IssueCode(
        NO_MESSAGE_TYPE,
        _E,
        "MSH-9 does not say what type the message is.",
        "Have the sender fill MSH-9, for example ADT^A01.",
    ),
    IssueCode(
        NO_CONTROL_ID,
        _W,
        "MSH-10 is empty, so repeated messages can only be recognised by their bytes.",
        "Have the sender give each message its own control id in MSH-10.",
    ),
    IssueCode(
        VERSION_UNKNOWN,
        _W,
        "MSH-12 does not name a version from 2.1 to 2.9; the message was read all the same.",
        "Have the sender fill MSH-12, for example 2.5.1.",
    ),
    IssueCode(
        BATCH_COUNT,
        _E,
        "A batch or file trailer announces another number of messages or batches than there are.",
        "Ask the sender whether the file was cut off; the messages in it were taken.",
    ),
    IssueCode(
        BATCH_ENVELOPE,
        _W,
        "A batch or file header and its trailer do not pair up.",
        "Ask the sender whether the file was cut off; the messages in it were taken.",
    ),
    IssueCode(
        BATCH_STRAY,
        _E,
        "Bytes in a batch belong neither to a message nor to the envelope; kept as a message.",
        "Look at the quarantined bytes and correct the sender or the file.",
    ),
)
