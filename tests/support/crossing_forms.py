"""The modules that make attempts at forms of their own: each has ``ROUTES`` and ``attempts``."""

from tests.support import crossing_directory, crossing_labels, crossing_lists

FORMS = (crossing_directory, crossing_lists, crossing_labels)
