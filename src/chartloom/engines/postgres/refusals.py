"""What the store says when data, not the store, is the trouble."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors

from chartloom.domain.errors import BatchRefused, BatchStale


@contextmanager
def refusals() -> Iterator[None]:
    """Errors that speak about the data, as ``BatchRefused``.

    The original is cut off (``from None``), for its text may quote what it complains about.
    """
    try:
        yield
    except (errors.DeadlockDetected, errors.SerializationFailure):
        raise BatchStale("the batch collided with another writer.") from None
    except (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError) as error:
        name = error.sqlstate or type(error).__name__
        raise BatchRefused(f"the store cannot hold the batch ({name}).") from None
    except (UnicodeError, OverflowError, ValueError, TypeError, struct.error) as error:
        raise BatchRefused(f"the batch cannot be written ({type(error).__name__}).") from None
