"""The settings an engine process reads from standard input: one line of JSON."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from modelyard.registry.errors import ErrorKind
from modelyard.serving.errors import ServingError

KvType = Literal["f16", "q8_0"]
"""The KV cache's type; q8_0 takes half the memory and costs a tenth of the speed."""


class EngineConfigInvalid(ServingError):
    """An engine process was started with invalid settings."""

    code = "engine_config_invalid"
    kind = ErrorKind.INTERNAL


class EngineConfig(BaseModel):
    """One version, its file, and how much of the machine it may use.

    `context_length` is in tokens per request; 0 means the model's own. `parallel` requests run at
    once. With `speculate` the engine drafts tokens and verifies several per step when that pays,
    using the GGUF model at `draft_path`, else the text's own repetitions. Up to `spill_bytes` of
    idle KV go to files below `spill_folder` (empty: the temporary folder), within `spill_after_s`
    seconds of idleness if the next prompt needs their slot. `store` is the store's root, in which
    requests' adapters are found by their sha256. The process may take `memory_limit` bytes of
    private memory, which it limits itself, or `host_memory_most`, at which the worker ends it; 0
    means no limit. A client that reads nothing of a waiting answer for `unread_s`
    seconds is disconnected. The gateway itself waits for slow clients, so this ends only a gateway
    that is stopped or gone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version_id: str
    model_name: str
    format: str
    path: str
    store: str = ""
    internal_token: str = Field(min_length=16, repr=False)
    context_length: int = Field(default=0, ge=0)
    parallel: int = Field(default=4, ge=1, le=64)
    threads: int = Field(default=0, ge=0, le=512)
    gpu_layers: int = Field(default=0, ge=-1)
    host: str = "127.0.0.1"
    chat_template: str | None = None
    batch: int = Field(default=512, ge=8, le=8192)
    kv_unified: bool = False
    kv_type: KvType = "f16"
    max_queue: int = Field(default=256, ge=1)
    drain_s: float = Field(default=8.0, ge=0)
    unread_s: float = Field(default=600.0, gt=0)
    speculate: bool = True
    draft_path: str = ""
    spill_bytes: int = Field(default=0, ge=0)
    spill_folder: str = ""
    spill_after_s: float = Field(default=5.0, gt=0)
    memory_limit: int = Field(default=0, ge=0)
    host_memory_most: int = Field(default=0, ge=0)
    options: dict[str, Any] = {}


def read_config(line: str) -> EngineConfig:
    """Parse the line; raises EngineConfigInvalid naming the first wrong setting."""
    try:
        return EngineConfig.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise EngineConfigInvalid(f"Engine setting {where}: {first['msg']}.") from None
