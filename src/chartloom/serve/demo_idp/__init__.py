"""An identity provider for trying: people from the list of staff, no passwords."""

from chartloom.serve.demo_idp.provider import DemoProvider

__all__ = ["DemoProvider"]
