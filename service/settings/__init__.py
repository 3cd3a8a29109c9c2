"""Settings: read once per process from the environment, a TOML file and defaults; all faults together."""

from service.settings.load import Role, changed_map, load, load_source
from service.settings.model import (
    AcquireSettings,
    AlertSettings,
    Channel,
    RedisSettings,
    ReopenSettings,
    RetentionSettings,
    Secret,
    Settings,
    SettingsError,
    SourceSettings,
)

__all__ = [
    "AcquireSettings",
    "AlertSettings",
    "Channel",
    "RedisSettings",
    "ReopenSettings",
    "RetentionSettings",
    "Role",
    "Secret",
    "Settings",
    "SettingsError",
    "SourceSettings",
    "changed_map",
    "load",
    "load_source",
]
