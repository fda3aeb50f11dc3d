"""All settings of the dashboard and the Flower server, and all paths; those of the OpenID provider
and of trackers of experiments have modules of their own.

Imports nothing of webapp.
"""

from webapp.settings.assets import asset
from webapp.settings.dashboard import MAILBOX, Admission, Settings
from webapp.settings.reading import reachable_by_others, read_settings

__all__ = ["MAILBOX", "Admission", "Settings", "asset", "reachable_by_others", "read_settings"]
