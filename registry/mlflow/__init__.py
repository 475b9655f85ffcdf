"""MLflow, the system of record for versions."""
