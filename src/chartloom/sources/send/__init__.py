"""A client that sends messages over MLLP or HTTP: for ``chartloom send``, demo and benchmarks."""

from chartloom.sources.send.client import SendOptions, send_http, send_mllp
from chartloom.sources.send.reading import read_messages
from chartloom.sources.send.report import Latency, SendReport

__all__ = ["Latency", "SendOptions", "SendReport", "read_messages", "send_http", "send_mllp"]
