"""Chartloom: every feed about a patient, woven into one chart that can be traced to the byte."""

__version__ = "0.2.0"
