"""MLLP: HL7 v2 over TCP, with acknowledgements after the landing."""
