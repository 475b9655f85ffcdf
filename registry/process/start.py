"""The first steps of every process of ours."""

from modelyard.registry.logs import set_up
from modelyard.registry.process.private_files import keep_private
from modelyard.registry.process.proxies import reach_loopback_directly
from modelyard.registry.process.python import keep_children_safe
from modelyard.registry.settings import LogSettings, load


def begin() -> None:
    """Set the umask, make child Pythons import safely, set proxies, and configure log lines.

    Raises SettingsInvalid.
    """
    keep_children_safe()
    keep_private()
    reach_loopback_directly()
    settings = load(LogSettings)
    set_up(settings.log_format, settings.log_level)
