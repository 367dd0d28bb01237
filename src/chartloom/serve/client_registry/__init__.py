"""Doors through which other systems ask who a patient is: FHIR and HL7 v2. See the README."""

from chartloom.serve.client_registry.domains import Domain, Domains
from chartloom.serve.client_registry.registry import Asker, ClientRegistry
from chartloom.serve.client_registry.v2 import V2Door

__all__ = ["Asker", "ClientRegistry", "Domain", "Domains", "V2Door"]
