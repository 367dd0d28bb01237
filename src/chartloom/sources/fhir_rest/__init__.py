"""HTTP: FHIR R4 JSON, or HL7 v2, with success after the landing."""
