"""Everything put together: opening a site, running its roles, supervising them."""

from chartloom.wiring.roles import run_role
from chartloom.wiring.run import RunningSite, console_url, running_site
from chartloom.wiring.site import OpenSite, dsn_of, open_site

__all__ = [
    "OpenSite",
    "RunningSite",
    "console_url",
    "dsn_of",
    "open_site",
    "run_role",
    "running_site",
]
