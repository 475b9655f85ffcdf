"""Settings of commands that ask a gateway."""

from pydantic import Field, SecretStr, field_validator

from modelyard.registry.settings import Section
from modelyard.registry.web.addresses import gateway_address


class ClientSettings(Section):
    """Which gateway commands ask, and with which key."""

    gateway_url: str = Field(
        default="", description="Address of the gateway for clients; empty: the running `up`'s."
    )
    api_key: SecretStr = Field(
        default=SecretStr(""),
        description="Key that local commands send; empty: the running `up`'s.",
    )

    @field_validator("gateway_url")
    @classmethod
    def _address(cls, value: str) -> str:
        return gateway_address(value) if value else ""
