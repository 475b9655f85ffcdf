"""What decides a vector is done as sentence-transformers does it, or the model is refused."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.onnx_peers import minilm
from modelyard.serving.engines.config import EngineConfig
from modelyard.serving.engines.onnx.load import load
from modelyard.serving.errors import InvalidRequest, ModelUnloadable
from tests.models.numpy_bert import NumpyBert
from tests.models.onnx_tiny import Bert, tokenizer
from tests.models.sentence_bert import SentenceBert
from tests.serving.engines.processes import config

TEXTS = ["the model", "return", "a vocabulary of words, name and weights"]
MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
MODULES = ("Transformer", "", "Pooling", "1_Pooling", "Normalize", "2_Normalize")
PROMPTS = {"query": "def the name ", "passage": "array of "}
SHAPE = Bert()


@pytest.fixture(scope="module")
def network() -> NumpyBert:
    return NumpyBert(SHAPE.described, SHAPE.weights())


def modules(*named: str) -> str:
    """A modules.json of pairs of a kind and its folder."""
    pairs = zip(named[::2], named[1::2], strict=True)
    kinds = [{"type": f"sentence_transformers.models.{kind}", "path": path} for kind, path in pairs]
    return json.dumps(kinds)


def written(folder: Path, files: Mapping[str, Any]) -> Path:
    """The tiny model with these files beside it; all but texts are written as JSON."""
    path = SHAPE.write(folder)
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name).write_text(text)
    return path


def vectors(path: Path, texts: list[Any], **asked: Any) -> list[Any]:
    """What the engine gives; loaded in this process."""
    given = EngineConfig(**config(format="onnx", path=str(path), context_length=0))
    with closing(load(given)) as engine:
        rows = asyncio.run(engine.embed(tuple(texts), dimensions=None, truncate=False, **asked))
    return [np.frombuffer(row, "<f4") for row in rows.rows]


def reference(network: NumpyBert, *modes: str, **more: Any) -> SentenceBert:
    whole = type(tokenizer()).from_str(tokenizer().to_str())
    whole.no_truncation()
    whole.no_padding()
    return SentenceBert(network, whole, modes, **more)


def assert_near(found: list[Any], expected: list[Any]) -> None:
    for row, known in zip(found, expected, strict=True):
        assert row.shape == known.shape
        assert np.abs(row - known).max() <= 1e-4


@pytest.mark.parametrize("mode", MODES)
def test_every_pooling_of_the_newer_form_is_the_references(
    tmp_path: Path, network: NumpyBert, mode: str
) -> None:
    """`pooling_mode` names one of six."""
    pooling = {"embedding_dimension": 32, "pooling_mode": mode, "include_prompt": True}
    files = {"modules.json": modules(*MODULES[:4]), "1_Pooling/config.json": pooling}
    found = vectors(written(tmp_path, files), TEXTS)
    assert_near(found, [reference(network, mode).encode(text) for text in TEXTS])


@pytest.mark.parametrize(
    ("named", "modes"),
    [
        ({"pooling_mode_mean_sqrt_len_tokens": True}, ["mean_sqrt_len_tokens"]),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, ["cls"]),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}, ["cls", "mean"]),
        ({"pooling_mode": "max", "pooling_mode_mean_tokens": True}, ["max"]),
        ({"pooling_mode": ["max", "cls"]}, ["max", "cls"]),
        ({}, ["mean"]),
    ],
)
def test_flags_of_the_older_form_and_lists_of_modes_are_the_references(
    tmp_path: Path, network: NumpyBert, named: dict[str, Any], modes: list[str]
) -> None:
    """Several poolings are written one after the other; the newer name counts where both are."""
    pooling = {"word_embedding_dimension": 32, **named}
    files = {"modules.json": modules(*MODULES), "1_Pooling/config.json": pooling}
    found = vectors(written(tmp_path, files), TEXTS)
    known = reference(network, *modes, normalised=True)
    assert_near(found, [known.encode(text) for text in TEXTS])


def test_the_pooling_folder_is_the_one_that_modules_json_names(
    tmp_path: Path, network: NumpyBert
) -> None:
    """Another folder of that kind is none of its business."""
    files = {
        "modules.json": modules("Transformer", "", "Pooling", "2_Pooling"),
        "1_Pooling/config.json": {"pooling_mode": "max"},
        "2_Pooling/config.json": {"pooling_mode": "cls"},
    }
    found = vectors(written(tmp_path, files), TEXTS)
    assert_near(found, [reference(network, "cls").encode(text) for text in TEXTS])


@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize("mode", ["cls", "mean", "weightedmean"])
def test_the_default_prompt_stands_before_every_text_unless_another_is_asked_for(
    tmp_path: Path, network: NumpyBert, mode: str, *, include: bool
) -> None:
    """Its tokens are read; whether they are part of the vector is what the pooling says."""
    files = {
        "modules.json": modules(*MODULES[:4]),
        "1_Pooling/config.json": {"pooling_mode": mode, "include_prompt": include},
        "config_sentence_transformers.json": {
            "prompts": PROMPTS,
            "default_prompt_name": "passage",
        },
    }
    path = written(tmp_path, files)
    known = reference(network, mode, include_prompt=include)
    usual = [known.encode(text, PROMPTS["passage"]) for text in TEXTS]
    assert_near(vectors(path, TEXTS), usual)
    asked = [known.encode(text, PROMPTS["query"]) for text in TEXTS]
    assert_near(vectors(path, TEXTS, prompt_name="query"), asked)


def test_token_ids_are_read_without_the_prompt(tmp_path: Path, network: NumpyBert) -> None:
    """They say exactly what is read."""
    prompted = {"prompts": PROMPTS, "default_prompt_name": "query"}
    path = written(tmp_path, {"config_sentence_transformers.json": prompted})
    known = reference(network, "mean", normalised=True)
    ids = known.tokenizer.encode("the model").ids
    assert_near(vectors(path, [tuple(ids)]), [known.encode("the model")])


def test_a_prompt_that_the_model_has_not_is_refused_by_name(tmp_path: Path) -> None:
    """With the names that it has."""
    path = written(tmp_path, {"config_sentence_transformers.json": {"prompts": PROMPTS}})
    with pytest.raises(InvalidRequest, match="passage, query"):
        vectors(path, TEXTS, prompt_name="doc")


def test_texts_are_lowered_where_the_files_say_so(tmp_path: Path, network: NumpyBert) -> None:
    """`do_lower_case` of sentence_bert_config.json, with a tokenizer that keeps case."""
    path = written(tmp_path, {"sentence_bert_config.json": {"do_lower_case": True}})
    words = tmp_path / "tokenizer.json"
    keeps_case = json.loads(words.read_text())
    keeps_case["normalizer"]["lowercase"] = False
    words.write_text(json.dumps(keeps_case))
    known = reference(network, "mean", normalised=True)
    assert_near(vectors(path, ["The MODEL"]), [known.encode("the model")])


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"1_Pooling/config.json": {"pooling_mode": "attention"}}, "attention"),
        ({"1_Pooling/config.json": {"pooling_mode": []}}, "pooling_mode"),
        ({"1_Pooling/config.json": {"pooling_mode": 3}}, "pooling_mode"),
        ({"1_Pooling/config.json": {"pooling_mode_attention": True}}, "pooling_mode_attention"),
        ({"1_Pooling/config.json": {"include_prompt": "no"}}, "include_prompt"),
        ({"1_Pooling/config.json": {}, "2_Pooling/config.json": {}}, "2 pooling folders"),
        ({"modules.json": modules("Transformer", "", "Pooling", "9_Pooling")}, "9_Pooling"),
        ({"modules.json": modules("Transformer", "", "Pooling", "../1_Pooling")}, "no folder"),
        ({"modules.json": modules("Transformer", "")}, "no Pooling"),
        ({"modules.json": modules(*MODULES[:4], "Dense", "2_Dense")}, "Dense"),
        ({"modules.json": modules(*MODULES[:4], "LayerNorm", "2_LayerNorm")}, "LayerNorm"),
        ({"modules.json": modules("Transformer", "", "Normalize", "", "Pooling", "")}, "Pooling"),
        ({"modules.json": [{"type": "custom_st.Transformer", "path": ""}]}, "custom_st"),
        ({"modules.json": [3]}, "modules.json"),
        ({"modules.json": modules(*MODULES), "1_Pooling/config.json": {},
          "2_Normalize/config.json": {"module_input_name": "token_embeddings"}}, "2_Normalize"),
        ({"config_sentence_transformers.json": {"default_prompt_name": "query"}}, "query"),
        ({"config_sentence_transformers.json": {"prompts": {"query": 3}}}, "prompts"),
    ],
)  # fmt: skip
def test_what_is_not_reproduced_is_refused_by_name(
    tmp_path: Path, files: dict[str, Any], says: str
) -> None:
    """No vector is guessed."""
    with pytest.raises(ModelUnloadable, match=says):
        vectors(written(tmp_path, files), TEXTS)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["mean", "cls", "lasttoken"])
def test_all_minilm_is_the_reference(mode: str) -> None:
    """The real model from its package, as published and with other poolings."""
    path = minilm(Path.home() / ".cache" / "modelyard-benchmarks")
    assert_minilm(path, mode)


def assert_minilm(path: Path, mode: str) -> None:
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    options = {} if mode == "mean" else {"pooling": mode}
    given = config(format="onnx", path=str(path), context_length=0, options=options)
    with closing(load(EngineConfig(**given))) as engine:
        rows = asyncio.run(engine.embed(tuple(TEXTS), dimensions=None, truncate=False)).rows
    described = json.loads((path.parent / "config.json").read_text())
    network = NumpyBert(described, load_file(path.parent / "model.safetensors"))
    words: Any = Tokenizer.from_file(str(path.parent / "tokenizer.json"))
    words.no_padding()
    words.no_truncation()
    known = SentenceBert(network, words, (mode,), normalised=True)
    for text, row in zip(TEXTS, rows, strict=True):
        assert np.abs(np.frombuffer(row, "<f4") - known.encode(text)).max() <= 1e-4
