"""/api/v1/admin/ingests, removals and orders, /api/v1/runs/{run_id}/cancel and retry."""

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from modelyard.serving.wire.admin.registered import LifecycleRun

if TYPE_CHECKING:
    from modelyard.registry.runs.orders import RunOrder

Words = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""A name without characters that steer terminals, or that no database keeps."""


def _without_login(repo: str) -> str:
    if "@" in repo:
        raise ValueError("give owner/name, or the address of its page without a login in it")
    return repo


class NewIngest(BaseModel):
    """A model to bring from the Hub: `repo` is owner/name, or the address of a page there.

    `file` is a glob; without it the best file that fits the devices' memory is taken. `owner` is a
    user's name; of a private model it is else the caller.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"repo": "Qwen/Qwen2.5-0.5B-Instruct-GGUF", "file": "*q8_0.gguf"}]
        },
    )

    repo: Annotated[Words, AfterValidator(_without_login)]
    revision: Words = "main"
    file: Words | None = None
    quantize: Annotated[list[Annotated[str, Field(max_length=20)]], Field(max_length=40)] = []
    name: Annotated[Words, Field(max_length=200)] | None = None
    private: Annotated[bool, Field(strict=True)] = False
    owner: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    memory_gb: Annotated[float, Field(ge=0, le=1e6)] | None = None
    allow_requantize: Annotated[bool, Field(strict=True)] = False


class NewRemoval(BaseModel):
    """What to forget: `model` is a model, model@version, model@alias or model+adapter.

    What is loaded is left alone unless `force` is set.
    """

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"model": "owner/model@1"}]}
    )

    model: Words
    force: Annotated[bool, Field(strict=True)] = False


class RunOrderReply(BaseModel):
    """An order about a run or a model.

    `state` is waiting, done or refused; `done` says that its run was started or told, `run` how
    far that is, once it has begun. `message` says what was done, or why it was refused.
    """

    id: str
    kind: str
    subject: str
    asked_by: str
    state: str
    message: str
    created_at: datetime
    run: LifecycleRun | None

    @classmethod
    def of(cls, order: "RunOrder") -> Self:
        return cls(
            id=order.id,
            kind=order.kind,
            subject=order.subject,
            asked_by=order.asked_by,
            state=order.state,
            message=order.message,
            created_at=order.created_at,
            run=LifecycleRun.model_validate(asdict(order.run)) if order.run else None,
        )
