"""Settings of commands that ask a gateway."""

from pydantic import Field, SecretStr

from modelyard.registry.settings import Section


class ClientSettings(Section):
    """Which gateway commands ask, and with which key."""

    gateway_url: str = Field(
        default="", description="Address of the gateway for clients; empty: the running `up`'s."
    )
    api_key: SecretStr = Field(
        default=SecretStr(""),
        description="Key that local commands send; empty: the running `up`'s.",
    )
