"""What each of our processes does first, whatever it is for."""

from modelyard.registry.logs import set_up
from modelyard.registry.process.private_files import keep_private
from modelyard.registry.process.python import keep_children_safe
from modelyard.registry.settings import LogSettings, load


def begin() -> None:
    """Private files, children that import nothing from their folder, one form of log lines.

    Raises SettingsInvalid.
    """
    keep_children_safe()
    keep_private()
    settings = load(LogSettings)
    set_up(settings.log_format, settings.log_level)
