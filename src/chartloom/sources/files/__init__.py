"""Watched folders: files in, landed, and moved to done or failed."""
