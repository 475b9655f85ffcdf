"""llama.cpp as two objects with lifetimes: a model, and a context that decodes batches."""

import ctypes
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llama_cpp as lib
import numpy as np
import numpy.typing as npt

from modelyard.serving.engines.config import KvType
from modelyard.serving.engines.llama_cpp.model.header import read_header
from modelyard.serving.engines.llama_cpp.model.refused import not_loaded
from modelyard.serving.engines.llama_cpp.model.reserved import Reserved
from modelyard.serving.errors import ModelUnloadable

Logits = npt.NDArray[np.float32]
_WARN = 3
_NAME = 128  # bytes
_KV_TYPES: dict[KvType, int] = {"f16": lib.GGML_TYPE_F16, "q8_0": lib.GGML_TYPE_Q8_0}
_said: deque[str] = deque(maxlen=8)
reserved = Reserved()
"""All buffers that llama.cpp has allocated in this process."""


@lib.llama_log_callback
def _listen(level: int, text: bytes, _data: Any) -> None:
    if level >= _WARN and text.strip():
        _said.append(text.decode("utf-8", "replace").strip())
    elif b"buffer size" in text:
        reserved.hear(text.decode("utf-8", "replace"))


# Kept at module level: if a callback is garbage-collected, the next message crashes the process.
lib.llama_log_set(_listen, ctypes.c_void_p(0))
lib.llama_backend_init()
# The library that the binding uses, not a second copy.
_native: ctypes.CDLL = lib.llama_cpp._lib  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
# The binding's llama_get_logits builds a pointer object per call; an address is enough.
_logits_address = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(("llama_get_logits", _native))
# llama.cpp asks a callback whether to abort. libc's strlen over a flag byte answers without the GIL
# ("" is 0: continue; "\x01" is 1: stop).
_strlen = ctypes.cast(ctypes.CDLL(None).strlen, lib.ggml_abort_callback)


@dataclass(slots=True)
class LlamaModel:
    """A model file in memory."""

    handle: Any
    vocab: Any

    @classmethod
    def load(cls, path: str, *, gpu_layers: int = 0) -> "LlamaModel":
        """Map the file, or read it where it cannot be mapped; raises ModelUnloadable."""
        params = lib.llama_model_default_params()
        params.n_gpu_layers = gpu_layers
        if not read_header(Path(path)).is_mappable:
            params.load_mode = lib.LLAMA_LOAD_MODE_NONE
        _said.clear()
        handle = lib.llama_model_load_from_file(path.encode(), params)
        if not handle:
            raise not_loaded(path, last_words())
        return cls(handle, lib.llama_model_get_vocab(handle))

    @property
    def width(self) -> int:
        """Dimension of an embedding."""
        return lib.llama_model_n_embd(self.handle)

    @property
    def generates(self) -> bool:
        """Whether this is a decoder-only model."""
        return bool(
            lib.llama_model_has_decoder(self.handle)
            and not lib.llama_model_has_encoder(self.handle)
        )

    @property
    def forgets(self) -> bool:
        """Whether its memory can be cut at any token; a recurrent state cannot."""
        return not (
            lib.llama_model_is_recurrent(self.handle) or lib.llama_model_is_hybrid(self.handle)
        )

    @property
    def chat_template(self) -> str | None:
        text = lib.llama_model_chat_template(self.handle, None)
        return text.decode("utf-8", "replace") if text else None

    def metadata(self, key: str) -> str:
        """A header field's value as text; empty if the file does not have it."""
        found: Any = ctypes.create_string_buffer(_NAME)
        size = lib.llama_model_meta_val_str(self.handle, key.encode(), found, _NAME)
        return found.value.decode("utf-8", "replace") if size >= 0 else ""

    def load_adapter(self, path: str) -> Any:
        """Read a LoRA adapter; raises ModelUnloadable with llama.cpp's message."""
        _said.clear()
        handle = lib.llama_adapter_lora_init(self.handle, path.encode())
        if not handle:
            raise ModelUnloadable(f"The adapter does not fit this model: {last_words()}")
        return ctypes.cast(handle, lib.llama_adapter_lora_p_ctypes)

    def free_adapter(self, adapter: Any) -> None:
        """Free an adapter that no context uses; `close` frees the rest."""
        lib.llama_adapter_lora_free(adapter)

    def close(self) -> None:
        lib.llama_model_free(self.handle)
        self.handle = None


@dataclass(frozen=True, slots=True)
class ContextShape:
    """A context's layout: KV cells over all sequences, and how many sequences run at once."""

    cells: int
    sequences: int
    batch: int
    threads: int
    unified: bool = False
    outputs: int = 0  # logit rows per batch; 0: one per sequence (less memory)

    kv_type: KvType = "f16"
    pooled: bool = False  # one vector per sequence instead of logits

    @property
    def spare_rows(self) -> int:
        """Rows beyond one per sequence."""
        return max(self.outputs - self.sequences, 0)


class LlamaContext:
    """The memory of running sequences; for one thread, only `abort` is safe from others."""

    def __init__(self, model: LlamaModel, shape: ContextShape) -> None:
        self.shape = shape
        _said.clear()
        self.handle: Any = lib.llama_init_from_model(model.handle, _params(shape))
        if not self.handle:
            raise ModelUnloadable(
                f"llama.cpp cannot make a context of {shape.cells} tokens: {last_words()}",
                fix="Ask for a shorter context or fewer parallel requests.",
            )
        self._memory: Any = lib.llama_get_memory(self.handle)
        self._width = lib.llama_vocab_n_tokens(model.vocab)
        self.copying = set[int]()  # sequences that the next decode copies from or to
        self._view: tuple[int, Logits] | None = None
        self._stop = ctypes.create_string_buffer(2)
        lib.llama_set_abort_callback(self.handle, _strlen, ctypes.cast(self._stop, ctypes.c_void_p))

    def decode(self, batch: Any) -> int:
        """Run a batch; returns 0 done, 1 no free cells, 2 aborted, below 0 an error."""
        code = lib.llama_decode(self.handle, batch)
        if code >= 0:
            self.copying.clear()
        return code

    def logits(self, rows: int) -> Logits:
        """The last batch's rows of logits, in batch order; valid until the next decode."""
        address = _logits_address(self.handle)
        if self._view is None or self._view[0] != address or len(self._view[1]) < rows:
            whole = (ctypes.c_float * (rows * self._width)).from_address(address)
            self._view = address, np.ctypeslib.as_array(whole).reshape(rows, self._width)
        return self._view[1][:rows]

    def embedding(self, sequence: int, width: int) -> Logits:
        """The pooled vector of a sequence in the last batch."""
        values = lib.llama_get_embeddings_seq(self.handle, sequence)
        return np.ctypeslib.as_array(values, shape=(width,)).copy()

    def clear(self) -> None:
        """Forget every sequence; encoders have none."""
        if self._memory:
            lib.llama_memory_clear(self._memory, False)  # noqa: FBT003

    def trim(self, sequence: int, length: int) -> bool:
        """Keep a sequence's first `length` tokens; False if memory cannot be cut (recurrent)."""
        return bool(lib.llama_memory_seq_rm(self._memory, sequence, length, -1))

    def forget(self, sequence: int) -> None:
        lib.llama_memory_seq_rm(self._memory, sequence, -1, -1)

    def size_of(self, sequence: int) -> int:
        """Bytes of a saved sequence's file, without its tokens."""
        return lib.llama_state_seq_get_size(self.handle, ctypes.c_int32(sequence))

    def save(self, sequence: int, path: str, tokens: list[int]) -> bool:
        """Write a sequence's memory, which holds `tokens`, to a file."""
        native = (ctypes.c_int32 * len(tokens))(*tokens)
        file = path.encode()
        slot = ctypes.c_int32(sequence)
        return bool(lib.llama_state_seq_save_file(self.handle, file, slot, native, len(tokens)))

    def load(self, sequence: int, path: str, count: int) -> bool:
        """Read a file that `save` wrote for `count` tokens; a damaged file aborts the process."""
        tokens = (ctypes.c_int32 * count)()
        found = ctypes.c_size_t()
        file = path.encode()
        slot = ctypes.c_int32(sequence)
        read = lib.llama_state_seq_load_file(
            self.handle, file, slot, tokens, count, ctypes.pointer(found)
        )
        return bool(read) and found.value == count

    def copy(self, source: int, target: int, length: int) -> bool:
        """Copy the first `length` tokens to `target`; False leaves it empty, to be recomputed."""
        self.forget(target)
        # Always the whole sequence: llama.cpp aborts on a partial copy between streams.
        lib.llama_memory_seq_cp(self._memory, source, target, -1, -1)
        if not self.shape.unified:
            self.copying |= {source, target}
        if self.trim(target, length):
            return True
        self.forget(target)
        return False

    def adapt(self, adapter: Any | None) -> None:
        """Run later decodes with this LoRA adapter; None means without."""
        count = 0 if adapter is None else 1
        adapters = (lib.llama_adapter_lora_p_ctypes * 1)(adapter) if count else None
        scales = (ctypes.c_float * 1)(1.0) if count else None
        lib.llama_set_adapters_lora(self.handle, adapters, count, scales)

    def abort(self) -> None:
        """Abort the running decode and all later ones, which return 2."""
        self._stop[0] = b"\x01"

    def close(self) -> None:
        self._view = None
        lib.llama_free(self.handle)
        self.handle = None


def _params(shape: ContextShape) -> Any:
    params = lib.llama_context_default_params()
    params.n_ctx = shape.cells
    params.n_batch = params.n_ubatch = shape.batch
    params.n_seq_max = shape.sequences
    params.n_threads = params.n_threads_batch = shape.threads
    params.kv_unified = shape.unified
    params.type_k = params.type_v = _KV_TYPES[shape.kv_type]
    params.flash_attn_type = lib.LLAMA_FLASH_ATTN_TYPE_AUTO
    params.no_perf = True
    params.embeddings = shape.pooled
    params.n_outputs_max = shape.outputs or shape.sequences
    return params


def last_words() -> str:
    """llama.cpp's last messages, for an error message."""
    return " ".join(_said)[-500:] or "it gives no reason."
