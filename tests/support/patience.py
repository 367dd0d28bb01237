"""How long tests wait for what comes at once on an idle machine."""

from typing import Final

#: Other work on the machine must fail no test: nothing is waited for so long but what never comes.
PATIENCE_S: Final = 60
