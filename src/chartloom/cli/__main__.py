"""``python -m chartloom.cli``."""

from chartloom.cli import main

main()
