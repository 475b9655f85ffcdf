"""POST /api/v1/admin/unloads: a version to take out of the devices' memory."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class NewUnload(BaseModel):
    """`model` is a model, model@alias or model@version; without `device` it leaves every device."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"model": "owner/model@2"}]}
    )

    model: Annotated[str, Field(min_length=1, max_length=300)]
    device: Annotated[str, Field(max_length=100)] = ""


class UnloadReply(BaseModel):
    """The devices whose workers let the version go; none where it was not loaded."""

    model: str
    number: int
    devices: list[str]
