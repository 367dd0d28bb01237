"""Nouns of Chartloom (glossary in ``docs/glossary.md``), ports, issue codes and errors.

Frozen structs without behaviour; imports nothing else of Chartloom. Start with
:mod:`~chartloom.domain.message` (what comes in), :mod:`~chartloom.domain.resource` (what it
becomes) and :mod:`~chartloom.domain.ports` (what the rooms need from outside).
"""
