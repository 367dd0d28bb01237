"""Bytes to trees and back, one package per format. No IO; bad data gives Issues, not exceptions."""
