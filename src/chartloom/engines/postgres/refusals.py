"""What the store says when data, not the store, is the trouble."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors

from chartloom.domain.errors import (
    BatchRefused,
    BatchStale,
    LandingRefused,
    LimitExceeded,
    StoreDamaged,
    StoreDefect,
    StoreUnavailable,
)


@contextmanager
def refusals() -> Iterator[None]:
    """Errors that speak about the data, as ``BatchRefused``. What speaks about our statements or
    rights (SQLSTATE classes 42, 0A, 26, 3F ...) is no refusal of data: it goes on as it is.

    The original is cut off (``from None``), for its text may quote what it complains about.
    """
    try:
        yield
    except (errors.DeadlockDetected, errors.SerializationFailure):
        raise BatchStale("the batch collided with another writer.") from None
    except (
        psycopg.DataError,
        psycopg.IntegrityError,
        errors.CardinalityViolation,
        errors.ProgramLimitExceeded,
    ) as error:
        name = error.sqlstate or type(error).__name__
        raise BatchRefused(f"the store cannot hold the batch ({name}).") from None
    except (UnicodeError, OverflowError, ValueError, TypeError, struct.error) as error:
        raise BatchRefused(f"the batch cannot be written ({type(error).__name__}).") from None


@contextmanager
def landing_refusals() -> Iterator[None]:
    """Whatever the server says to an append, as one of two answers to the sender: this cannot be
    kept (``LandingRefused``), or send it again later (``StoreUnavailable``).

    The original is cut off, for its text may quote what it complains about.
    """
    try:
        yield
    except (psycopg.DataError, UnicodeError, OverflowError, struct.error) as error:
        name = getattr(error, "sqlstate", None) or type(error).__name__
        raise LandingRefused(
            f"the store cannot hold the message ({name}).", cure="Have the source correct it."
        ) from None
    except StoreDefect as error:
        raise StoreUnavailable(
            f"the store cannot append ({error.code}).", cure=error.cure
        ) from None
    except (psycopg.Error, StoreDamaged, LimitExceeded) as error:
        name = getattr(error, "sqlstate", None) or type(error).__name__
        raise StoreUnavailable(
            f"the store cannot append ({name}).", cure="Its log says why; send again later."
        ) from None
