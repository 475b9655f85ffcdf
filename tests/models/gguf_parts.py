"""A GGUF in parts: shards as llama.cpp's own tool writes them, or pieces of bytes."""

from pathlib import Path
from typing import Any


def shards(model: Path, folder: Path, *, empty_first: bool = False) -> list[Path]:
    """-00001-of-0000N.gguf: only the first says what it is; with `empty_first` that is all."""
    import gguf

    reader: Any = gguf.GGUFReader(model)
    architecture = reader.get_field("general.architecture").contents()
    folder.mkdir(parents=True, exist_ok=True)
    writer: Any = gguf.GGUFWriter(
        folder / model.name, architecture, split_max_tensors=6, small_first_shard=empty_first
    )
    for field in reader.fields.values():
        if not field.name.startswith(("GGUF.", "general.architecture")):
            inner = field.types[-1] if len(field.types) > 1 else None
            writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=inner)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return sorted(folder.glob(f"{model.stem}-*.gguf"))


def pieces(model: Path, form: str, count: int) -> dict[str, bytes]:
    """The bytes in `count` pieces, called by `form`, which has a place for the piece's number."""
    content = model.read_bytes()
    size = -(-len(content) // count)
    return {
        form.format(n + 1, count, letter="abcdefghijklmnop"[n]): content[n * size : (n + 1) * size]
        for n in range(count)
    }
