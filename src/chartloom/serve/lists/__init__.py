"""Reconciled lists in the console: their pages, their part of the API, clinicians' decisions."""
