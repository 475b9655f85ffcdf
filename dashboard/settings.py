"""The dashboard's settings: the gateway, the listening address and the refresh interval."""

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from modelyard.registry.settings import Section
from modelyard.registry.web.addresses import gateway_address, server_address


class DashboardSettings(Section):
    """What the dashboard reads from the environment and the settings file."""

    gateway_url: str = Field(
        default="http://127.0.0.1:8080", description="The gateway that the dashboard shows."
    )
    dashboard_host: str = Field(
        default="127.0.0.1", description="Address that the dashboard listens on."
    )
    dashboard_port: int = Field(
        default=8501, ge=0, le=65535, description="Port of the dashboard; 0: any free one."
    )
    refresh_s: float = Field(
        default=2.0, ge=0.5, le=3600, description="Seconds between two looks of an open page."
    )

    prefect_ui_url: str = Field(
        default="", description="Where people open Prefect's pages; empty: runs have no link there."
    )
    mlflow_ui_url: str = Field(
        default="", description="Where people open MLflow's pages; empty: no version has a link."
    )
    dashboard_token: SecretStr = Field(
        default=SecretStr(""),
        description="With what the dashboard tells gateways the address of a browser that logs in, "
        "at least 16 characters; empty: follows from the secret key.",
    )

    @field_validator("gateway_url", "prefect_ui_url", "mlflow_ui_url")
    @classmethod
    def _http(cls, value: str, field: ValidationInfo) -> str:
        if field.field_name == "gateway_url":
            return gateway_address(value)
        return server_address(value) if value else ""
