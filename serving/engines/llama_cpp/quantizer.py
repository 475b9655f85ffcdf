"""Quantizes one file with llama.cpp, in this process, which it may abort."""

import ctypes

import llama_cpp as lib


def quantize(source: str, target: str, to: str | None, threads: int) -> bool:
    """Write `source` as type `to`, or unchanged if that is None; False if it fails."""
    params = lib.llama_model_quantize_default_params()
    params.nthread = threads
    params.allow_requantize = True  # the caller has decided whether requantizing is allowed
    params.only_copy = to is None
    if to is not None:
        name = "ALL_F32" if to == "F32" else f"MOSTLY_{to}"
        params.ftype = getattr(lib, f"LLAMA_FTYPE_{name}")
    failed = lib.llama_model_quantize(source.encode(), target.encode(), ctypes.pointer(params))
    return not failed
