"""The settings that name files, for children that stand in another folder than we do."""

from modelyard.registry.settings import RegistrySettings, config_file
from modelyard.serving.settings import GatewaySettings


def pinned(registry: RegistrySettings, serving: GatewaySettings) -> dict[str, str]:
    """Our own settings' file and the files that settings name, by their whole paths."""
    file = config_file()
    named = {
        "MODELYARD_CONFIG": file.absolute() if file.is_file() else None,
        "MODELYARD_DATA_DIR": registry.data_dir,
        "MODELYARD_STORE_DIR": registry.store_dir,
        "MODELYARD_DATABASE_URL": registry.database_url,
        "MODELYARD_MLFLOW_URI": registry.mlflow_uri,
        "MODELYARD_ACCESS_LOG": serving.access_log,
    }
    return {variable: str(value) for variable, value in named.items() if value}
