"""Ports implemented on real engines."""
