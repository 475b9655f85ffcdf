"""File names say their quantization in many spellings."""

import pytest

from modelyard.flows.steps.choose.quantizations import in_name, rank


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("qwen2.5-0.5b-instruct-q8_0.gguf", "Q8_0"),
        ("Model.Q4_K_M.gguf", "Q4_K_M"),
        ("Model-IQ4_XS.gguf", "IQ4_XS"),
        ("q8_0/model-fp16.gguf", "F16"),
        ("model-BF16-00001-of-00002.gguf", "BF16"),
        ("gpt-oss-20b-mxfp4.gguf", "MXFP4_MOE"),
        ("model.gguf", None),
        ("f16x-model.gguf", None),
    ],
)
def test_the_last_type_in_the_name_counts(name: str, expected: str | None) -> None:
    """Its folder does not count then, and neither do letters inside other words."""
    assert in_name(name) == expected


def test_the_order_is_by_quality() -> None:
    """From F16 down; what nobody knows comes last."""
    request = ["F16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0", "Q2_K", None]
    assert sorted(request, key=rank) == request


@pytest.mark.parametrize(
    ("path", "quantization"),
    [
        ("Qwen3-8B-UD-Q4_K_XL.gguf", "Q4_K_XL"),
        ("m-Q4_K_L.gguf", "Q4_K_L"),
        ("m-Q6_K_L.gguf", "Q6_K_L"),
        ("m.i1-IQ3_XXS.gguf", "IQ3_XXS"),
        ("DeepSeek-R1-UD-TQ1_0.gguf", "TQ1_0"),
        ("gpt-oss-20b-mxfp4.gguf", "MXFP4_MOE"),
        ("gpt-oss-20b-MXFP4_MOE.gguf", "MXFP4_MOE"),
        ("m-q4_k.gguf", "Q4_K_M"),
        ("BF16/m.gguf", "BF16"),
        ("UD-Q2_K_XL/m.gguf", "Q2_K_XL"),
        ("Q8_0/m-Q4_0.gguf", "Q4_0"),
        ("Q8_0/more/m.gguf", None),
        ("m.gguf", None),
    ],
)
def test_todays_names_are_read(path: str, quantization: str | None) -> None:
    """Publishers' own types, and folders that are called by them."""
    assert in_name(path) == quantization
