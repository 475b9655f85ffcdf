"""The settings that name files, for children that stand in another folder than we do."""

from modelyard.registry.settings import RegistrySettings, config_file
from modelyard.serving.settings import GatewaySettings


def pinned(registry: RegistrySettings, serving: GatewaySettings) -> dict[str, str]:
    """Our own settings' file and the files that settings name, by their whole paths."""
    named = {
        "MODELYARD_CONFIG": config_file().absolute(),
        "MODELYARD_DATA_DIR": registry.data_dir,
        "MODELYARD_STORE_DIR": registry.store_dir,
        "MODELYARD_DATABASE_URL": registry.database_url,
        "MODELYARD_MLFLOW_URI": registry.mlflow_uri,
        "MODELYARD_ACCESS_LOG": serving.access_log,
    }
    return {variable: str(value) for variable, value in named.items() if value}
