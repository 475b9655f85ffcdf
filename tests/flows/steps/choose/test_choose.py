"""Of a repository's files, the right one is taken, or the reason why none is."""

from dataclasses import replace

import pytest

from modelyard.flows.errors import AmbiguousFile, ModelRefused, NoMatchingFile
from modelyard.flows.steps.choose.candidate import FileSelection, SelectionRequest
from modelyard.flows.steps.choose.choose import choose
from modelyard.flows.steps.hub.hub import HubSnapshot, RemoteFile
from modelyard.registry.catalog.model import Format

GB = 10**9
LADDER = {"m-f16.gguf": 16 * GB, "m-q8_0.gguf": 8 * GB, "m-Q4_K_M.gguf": 4 * GB}


def snapshot(sizes: dict[str, int]) -> HubSnapshot:
    files = tuple(RemoteFile(path, size, "0" * 40, "0" * 64) for path, size in sizes.items())
    return HubSnapshot("ada/m", "c" * 40, files)


def chosen(sizes: dict[str, int], wish: SelectionRequest | None = None) -> FileSelection:
    return choose(snapshot(sizes), wish or SelectionRequest())


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        (0, "m-f16.gguf"),
        (20 * GB, "m-f16.gguf"),
        (12 * GB, "m-q8_0.gguf"),
        (6 * GB, "m-Q4_K_M.gguf"),
    ],
)
def test_the_best_quality_that_fits_is_taken(memory: int, expected: str) -> None:
    """More memory buys quality, in the known order; without a bound the best is taken."""
    assert chosen(LADDER, SelectionRequest(memory_bytes=memory)).model.path == expected


def test_nothing_that_fits_names_the_smallest() -> None:
    """The way out begins with what would be needed."""
    with pytest.raises(NoMatchingFile, match=r"m-Q4_K_M.gguf, is 3.7 GiB"):
        chosen(LADDER, SelectionRequest(memory_bytes=GB))


def test_a_named_file_is_taken_whatever_its_size() -> None:
    """Who names a file knows what it is for; upper and lower case are one."""
    wish = SelectionRequest("*Q8_0.gguf", memory_bytes=GB)
    assert chosen(LADDER, wish).model.path == "m-q8_0.gguf"


def test_a_glob_that_fits_nothing_lists_what_there_is() -> None:
    """The listing is what the next command is made from."""
    with pytest.raises(NoMatchingFile) as caught:
        chosen(LADDER, SelectionRequest("*q5*"))
    assert all(path in caught.value.fix for path in LADDER)


def test_two_of_the_same_quality_are_ambiguous() -> None:
    """No guess is made between two models in one repository."""
    with pytest.raises(AmbiguousFile) as caught:
        chosen({"a-q8_0.gguf": 1, "b-q8_0.gguf": 1})
    assert "a-q8_0.gguf" in caught.value.fix


def test_a_split_model_is_taken_whole_and_in_order() -> None:
    """The parts are one model; its size is theirs together."""
    parts = {f"m-q8_0-0000{n}-of-00003.gguf": 4 * GB for n in (3, 1, 2)}
    model = chosen(parts).model
    assert [part.path[7:12] for part in model.parts] == ["00001", "00002", "00003"]
    assert (model.path, model.size) == ("m-q8_0.gguf", 12 * GB)


def test_a_split_model_with_a_part_missing_is_no_model() -> None:
    """Half a model is never downloaded."""
    with pytest.raises(ModelRefused):
        chosen({"m-00001-of-00002.gguf": 1})


@pytest.mark.parametrize(
    "beside",
    ["mmproj-F16.gguf", "m-mmproj-f16.gguf", "mmproj.gguf", "m-imatrix.gguf", "m.imatrix.gguf",
     "imatrix_unsloth.gguf", "imatrix.dat", "ggml-vocab-m.gguf"],
)  # fmt: skip
def test_what_lies_beside_the_model_is_not_the_model(beside: str) -> None:
    """Projectors, importance matrices, vocabularies."""
    assert chosen({beside: 1, "m-Q4_K_M.gguf": 1}).model.path == "m-Q4_K_M.gguf"


@pytest.mark.parametrize("name", ["m-imatrix-Q4_K_M.gguf", "imatrix/m.i1-IQ3_XXS.gguf"])
def test_a_model_may_say_that_it_was_made_with_a_matrix(name: str) -> None:
    """A word in its name hides no model."""
    assert chosen({name: 1}).model.path == name


def test_the_dynamic_one_of_two_of_a_type_is_taken() -> None:
    """It was made for the same size and loses less."""
    sizes = {"m-IQ2_M.gguf": GB, "m-UD-IQ2_M.gguf": GB, "m-IQ1_S.gguf": GB}
    assert chosen(sizes).model.path == "m-UD-IQ2_M.gguf"


def test_a_folder_says_the_type_where_the_name_does_not() -> None:
    """As repositories of large models keep them: a folder a type."""
    folders = {"BF16": 40 * GB, "Q8_0": 20 * GB, "UD-Q4_K_XL": 10 * GB}
    numbers = ("00001", "00002")
    sizes = {f"{k}/m-{n}-of-00002.gguf": size for k, size in folders.items() for n in numbers}
    wish = SelectionRequest(memory_bytes=50 * GB)
    assert chosen(sizes, wish).model.path == "Q8_0/m.gguf"
    assert chosen(sizes, SelectionRequest(quantize=("Q4_0",))).model.path == "BF16/m.gguf"
    small = SelectionRequest(memory_bytes=25 * GB)
    assert chosen(sizes, small).model.path == "UD-Q4_K_XL/m.gguf"


def test_the_question_says_sizes_and_what_is_too_large() -> None:
    """Of two that fit none is better by its name; what does not fit is listed as well."""
    onnx = {"a.onnx": 2 * GB, "b.onnx": 2 * GB, "c.onnx": 9 * GB}
    with pytest.raises(AmbiguousFile) as caught:
        chosen(
            {"config.json": 1, "tokenizer.json": 1} | onnx, SelectionRequest(memory_bytes=5 * GB)
        )
    assert "a.onnx  (1.9 GiB)" in caught.value.fix
    assert "c.onnx  (8.4 GiB, too large for 4.7 GiB)" in caught.value.fix


@pytest.mark.parametrize(
    ("memory", "expected"),
    [(9, "model"), (4, "model_fp16"), (2, "model_quantized"), (1.5, "model_q4f16")],
)
def test_of_several_onnx_variants_the_best_that_fits_is_taken(memory: float, expected: str) -> None:
    """Whole numbers of 32 bits, halves, bytes, half bytes."""
    sizes = {"": 4000, "_fp16": 2000, "_quantized": 1200, "_int8": 1200, "_uint8": 1200,
             "_q4f16": 600, "_bnb4": 600, "_O4": 100}  # fmt: skip
    files = {f"onnx/model{kind}.onnx": size * 10**6 for kind, size in sizes.items()}
    wish = SelectionRequest(memory_bytes=int(memory * GB))
    assert chosen({**ONNX, **files}, wish).model.path == f"onnx/{expected}.onnx"


def test_quantizing_starts_from_the_unquantized_file() -> None:
    """A glob is not needed, and the memory does not count: the result will be smaller."""
    wish = SelectionRequest(quantize=("Q4_K_M",), memory_bytes=GB)
    assert chosen(LADDER, wish).model.path == "m-f16.gguf"


def test_quantizing_the_quantized_is_refused_unless_asked_for() -> None:
    """Quality is not lost twice by accident."""
    sizes = {"m-q8_0.gguf": 8 * GB}
    with pytest.raises(ModelRefused, match="F16"):
        chosen(sizes, SelectionRequest(quantize=("Q4_0",)))
    allowed = SelectionRequest(quantize=("Q4_0",), allow_requantize=True)
    assert chosen(sizes, allowed).model.path == "m-q8_0.gguf"


def test_papers_come_along() -> None:
    """The card, the licence and the small descriptions; nothing else, and nothing huge."""
    extra = {"README.md": 10, "LICENSE": 10, "config.json": 10, "tokenizer.json": GB, "x.py": 1}
    companion_files = chosen({"m.gguf": 1, **extra}).companion_files
    assert {paper.path for paper in companion_files} == {"README.md", "LICENSE", "config.json"}


@pytest.mark.parametrize(
    ("path", "reason"),
    [("model.safetensors", "safetensors"), ("pytorch_model.bin", "pickles"), ("x.txt", "no GGUF")],
)
def test_a_repository_without_a_model_says_why_it_is_refused(path: str, reason: str) -> None:
    """Safetensors, pickles and other things each have their own way out."""
    with pytest.raises(ModelRefused, match=reason) as caught:
        chosen({path: 1})
    assert "GGUF" in caught.value.fix


ONNX = {"config.json": 1, "tokenizer.json": 1, "onnx/model.onnx": GB, "onnx/model_int8.onnx": 1}


def test_without_gguf_the_usual_onnx_is_taken() -> None:
    """model.onnx, with the weights beside it and all that its engine reads."""
    more = {
        "onnx/model.onnx_data": GB,
        "onnx/model_int8.onnx_data": GB,
        "1_Pooling/config.json": 1,
        "2_Normalize/config.json": 1,
        "other/config.json": 1,
    }
    choice = chosen({**ONNX, **more, "modules.json": 1, "vocab.txt": 1, "README.md": 1})
    assert [part.path for part in choice.model.parts] == ["onnx/model.onnx", "onnx/model.onnx_data"]
    assert choice.model.format is Format.ONNX
    assert {paper.path for paper in choice.companion_files} == {
        "README.md", "config.json", "tokenizer.json", "modules.json", "1_Pooling/config.json",
        "2_Normalize/config.json",
    }  # fmt: skip


def test_gguf_goes_before_onnx_unless_named() -> None:
    """A repository with both is taken as GGUF; a glob may ask for the other."""
    both = {**ONNX, "m-q8_0.gguf": GB}
    assert chosen(both).model.path == "m-q8_0.gguf"
    assert chosen(both, SelectionRequest("*int8.onnx")).model.path == "onnx/model_int8.onnx"


def test_an_onnx_without_its_tokenizer_is_refused() -> None:
    """Its engine could not read a text."""
    with pytest.raises(ModelRefused, match=r"tokenizer\.json"):
        chosen({"config.json": 1, "onnx/model.onnx": 1})


def test_descriptions_in_the_folder_of_the_graph_do_too() -> None:
    """Where the repository has none of its own."""
    companion_files = chosen({f"export/{name}": 1 for name in ("config.json", "tokenizer.json")}
                    | {"export/model.onnx": 1}).companion_files  # fmt: skip
    assert {paper.path for paper in companion_files} == {
        "export/config.json",
        "export/tokenizer.json",
    }


def test_two_graphs_of_which_none_is_usual_are_ambiguous() -> None:
    """No guess is made: the listing says what there is."""
    with pytest.raises(AmbiguousFile, match="2 files") as caught:
        chosen({"config.json": 1, "tokenizer.json": 1, "a.onnx": 1, "b.onnx": 1})
    assert "a.onnx" in caught.value.fix


def test_onnx_is_not_quantized() -> None:
    """Asked for it, the refusal says what to do instead."""
    with pytest.raises(ModelRefused, match="ONNX"):
        chosen(ONNX, SelectionRequest(quantize=("Q8_0",)))


def test_an_encoder_in_safetensors_is_sent_to_onnx() -> None:
    """A model that reads is looked for in another place than one that writes."""
    bare = replace(snapshot({"model.safetensors": 1}), pipeline_tag="sentence-similarity")
    with pytest.raises(ModelRefused) as caught:
        choose(bare, SelectionRequest())
    assert "onnx/model.onnx" in caught.value.fix
    assert "onnx-community/m-ONNX" in caught.value.fix


def test_a_model_in_safetensors_is_told_where_its_gguf_likely_is() -> None:
    """By the names under which most are published, and that conversion will come."""
    with pytest.raises(ModelRefused, match="not converted yet: that will come") as caught:
        chosen({"model-00001-of-00002.safetensors": 1, "model-00002-of-00002.safetensors": 1})
    for likely in ("`modelyard models add ada/m-GGUF`", "unsloth/m-GGUF", "bartowski/m-GGUF"):
        assert likely in caught.value.fix
