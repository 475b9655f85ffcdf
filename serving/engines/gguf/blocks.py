"""ggml's block formats: values and bytes per block, by a GGUF file's type id."""

BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    9: (32, 40), 10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),
    15: (256, 292), 16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18),
    21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8),
    28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17),
    40: (64, 36), 41: (128, 18),
}  # fmt: skip
"""type id → (values per block, bytes per block), as in `gguf.constants.GGML_QUANT_SIZES`."""


def tensor_bytes(type_id: int, shape: tuple[int, ...]) -> int | None:
    """Bytes of a tensor's data; None for an unknown type or rows that are not whole blocks."""
    block = BLOCKS.get(type_id)
    if block is None or not shape or shape[0] % block[0]:
        return None
    values = 1
    for length in shape:
        values *= length
    return values // block[0] * block[1]
