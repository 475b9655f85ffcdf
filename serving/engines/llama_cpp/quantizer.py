"""Quantizes one file with llama.cpp, in this process, which it may abort."""

import ctypes
from pathlib import Path
from typing import Any

import llama_cpp as lib

from modelyard.serving.engines.gguf.header import DEFAULT_ALIGNMENT
from modelyard.serving.engines.llama_cpp.model.header import read_header


def quantize(source: str, target: str, to: str | None, threads: int) -> bool:
    """Write `source` as type `to`, or unchanged if that is None; False if it fails."""
    params = lib.llama_model_quantize_default_params()
    params.nthread = threads
    params.allow_requantize = True  # the caller has decided whether requantizing is allowed
    params.only_copy = to is None
    if to is not None:
        name = "ALL_F32" if to == "F32" else f"MOSTLY_{to}"
        params.ftype = getattr(lib, f"LLAMA_FTYPE_{name}")
    overrides = _usual_alignment()
    if read_header(Path(source)).alignment != DEFAULT_ALIGNMENT:
        params.kv_overrides = overrides
    failed = lib.llama_model_quantize(source.encode(), target.encode(), ctypes.pointer(params))
    return not failed


def _usual_alignment() -> Any:
    """The header's entry for where llama.cpp writes the tensors, whatever the source's says."""
    overrides = (lib.llama_model_kv_override * 2)()  # the last has no name and ends the list
    overrides[0].tag = lib.LLAMA_KV_OVERRIDE_TYPE_INT
    overrides[0].key = b"general.alignment"
    overrides[0].value.val_i64 = DEFAULT_ALIGNMENT
    return overrides
