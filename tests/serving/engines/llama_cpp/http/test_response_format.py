"""Whatever the model would say, what it answers is JSON that the schema allows."""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import jsonschema
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serving.engines.processes import StartedEngine, engine_process

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "json, please"}]}
CITY: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 8, "description": "of the city"},
        "size": {"enum": ["large", 'a "small" one', "naïve\nline\\", None, 1.5]},
        "people": {"type": "integer", "minimum": -12, "maximum": 20345},
        "founded": {"type": "string", "format": "date"},
        "twin": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
        "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "minItems": 1, "maxItems": 3},
    },
    "required": ["name", "people", "tags"],
    "additionalProperties": False,
    "$defs": {"tag": {"type": ["string", "boolean"], "maxLength": 4}},
}


@pytest.fixture(scope="module")
def engine(endless: Path) -> Generator[StartedEngine]:
    with engine_process(
        format="gguf", path=str(endless), context_length=1024, parallel=8
    ) as running:
        yield running


def _asked(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, **more}}
    return ASK | {"response_format": form}


def _answers(engine: StartedEngine, body: dict[str, Any]) -> list[str]:
    """The texts of the choices that came to their end."""
    with engine.http() as http:
        reply = http.post("/v1/chat/completions", json=body)
    assert reply.status_code == 200, reply.text
    choices = reply.json()["choices"]
    assert {c["finish_reason"] for c in choices} <= {"stop", "length"}
    return [c["message"]["content"] for c in choices if c["finish_reason"] == "stop"]


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("temperature", [0, 1, 2])
def test_a_schema_is_kept_to(engine: StartedEngine, temperature: int, *, strict: bool) -> None:
    """By a model that has never seen JSON, strict or not, at any temperature."""
    ended = 0
    for seed in range(4):
        body = _asked(CITY, strict=strict) | {"n": 4, "seed": 10 * seed}
        for text in _answers(engine, body | {"temperature": temperature, "max_tokens": 400}):
            jsonschema.validate(json.loads(text), CITY)
            ended += 1
    assert ended


def test_a_json_object_is_an_object(engine: StartedEngine) -> None:
    """json_object has no schema; streamed text is the whole text."""
    client = engine.client()
    asked: dict[str, Any] = ASK | {
        "response_format": {"type": "json_object"},
        "max_tokens": 300,
        "seed": 3,
        "logit_bias": {"92": 4, "1": 6},
    }
    chunks = list(client.chat.completions.create(**asked, stream=True))
    whole = client.chat.completions.create(**asked).choices[0]
    text = "".join(c.choices[0].delta.content or "" for c in chunks)
    assert text == whole.message.content
    assert text.startswith("{")
    if whole.finish_reason == "stop":
        assert isinstance(json.loads(text), dict)


def test_greedy_within_a_grammar_is_repeatable_beside_others(engine: StartedEngine) -> None:
    """The same answer alone and among plain requests, which are not disturbed either."""
    client = engine.client()
    plain: dict[str, Any] = ASK | {"temperature": 0, "max_tokens": 40}
    free = client.chat.completions.create(**plain, n=4).choices[0].message.content
    shaped = _asked({"type": "array", "items": {"type": "integer"}, "maxItems": 9})
    first = client.chat.completions.create(**shaped, temperature=0, max_tokens=60)
    beside = client.chat.completions.create(**plain, n=4, stream=True)
    again = client.chat.completions.create(**shaped, temperature=0, max_tokens=60)
    texts = [""] * 4
    for chunk in beside:
        texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert again.choices[0].message.content == first.choices[0].message.content
    assert texts == [free] * 4


def test_penalties_bias_and_logprobs_go_together_with_a_schema(engine: StartedEngine) -> None:
    """A forbidden token is not written for a bias, and every token still has its logprob."""
    schema = {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 2}
    body = _asked(schema) | {"logprobs": True, "top_logprobs": 2, "presence_penalty": 1.5}
    body |= {"logit_bias": {"50": 100}, "top_k": 5, "max_tokens": 200}
    for text in _answers(engine, body):
        jsonschema.validate(json.loads(text), schema)


@pytest.mark.parametrize(
    ("schema", "param"),
    [
        ({"type": "string", "pattern": "a+"}, "schema.pattern"),
        ({"type": "object", "properties": {"a": {"not": {}}}}, "schema.properties.a.not"),
        ({"oneOf": [{}]}, "schema.oneOf"),
        ({"anyOf": [{}], "type": "object"}, "schema.type"),
        ({"type": "string", "format": "email"}, "schema.format"),
        ({"type": "number", "minimum": 0}, "schema.minimum"),
        ({"type": "array", "uniqueItems": True}, "schema.uniqueItems"),
        ({"type": "array", "items": {"$ref": "https://x.example/"}}, "schema.items.$ref"),
        ({"type": "array", "items": {"$ref": "#/$defs/b"}}, "schema.items.$ref"),
        ({"type": "text"}, "schema.type"),
        ({"enum": []}, "schema.enum"),
        ({"type": "string", "maxLength": 10**6}, "schema.maxLength"),
        ({"required": ["a"], "additionalProperties": False}, "schema.required"),
        ({"type": "integer", "minimum": 3, "maximum": 2}, "schema"),
        ({"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, "schema"),
        ({"description": "x" * 70_000}, "schema"),
        ({"anyOf": [{"type": "string", "maxLength": 99 - n} for n in range(99)]}, "schema.anyOf"),
    ],
)
def test_what_cannot_be_kept_to_is_refused_by_name(
    engine: StartedEngine, schema: dict[str, Any], param: str
) -> None:
    """A 400 that points at the very word of the schema."""
    with pytest.raises(openai.BadRequestError) as caught:
        engine.client().chat.completions.create(**_asked(schema))
    assert caught.value.param == f"response_format.json_schema.{param}"


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({"type": "xml"}, "response_format.type"),
        ({"type": "json_object", "schema": {}}, "response_format.schema"),
        ({"type": "json_schema"}, "response_format.json_schema"),
        ({"type": "json_schema", "json_schema": {"schema": {}}},
         "response_format.json_schema.name"),
        ("json", "response_format"),
    ],
)  # fmt: skip
def test_a_wrong_form_is_refused_by_name(
    engine: StartedEngine, form: dict[str, Any], param: str
) -> None:
    """The form itself is checked as strictly as a schema."""
    with engine.http() as http:
        error = http.post("/v1/chat/completions", json=ASK | {"response_format": form}).json()
    assert error["error"]["param"] == param


def test_deep_nesting_is_refused(engine: StartedEngine) -> None:
    """Deeper than a grammar is made for: a 400, not a stack that overflows."""
    schema: dict[str, Any] = {"type": "boolean"}
    for _ in range(60):
        schema = {"type": "array", "items": schema}
    with pytest.raises(openai.BadRequestError, match="nested"):
        engine.client().chat.completions.create(**_asked(schema))


LEAVES = st.one_of(
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.builds(lambda a, b: {"type": "integer", "minimum": min(a, b), "maximum": max(a, b)},
              st.integers(-10**6, 10**6), st.integers(-1000, 1000)),
    st.builds(lambda a, b: {"type": "string", "minLength": a, "maxLength": a + b},
              st.integers(0, 3), st.integers(0, 5)),
    st.builds(lambda values: {"enum": values},
              st.lists(st.text(max_size=6) | st.integers() | st.none(), min_size=1, max_size=4)),
    st.sampled_from([{"type": "string", "format": f} for f in ("date", "time", "uuid")]),
    st.builds(lambda v: {"const": v}, st.dictionaries(st.text(max_size=3), st.booleans())),
)  # fmt: skip


def _branches(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.text(max_size=4)
    return st.one_of(
        st.builds(lambda item, n: {"type": "array", "items": item, "maxItems": n},
                  inner, st.integers(0, 3)),
        st.builds(lambda items: {"type": "array", "prefixItems": items},
                  st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda parts: {"anyOf": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(
            lambda members, some, closed: {
                "type": "object", "properties": members, "additionalProperties": closed,
                "required": [n for i, n in enumerate(members) if some >> i & 1],
            },
            st.dictionaries(names, inner, max_size=5), st.integers(0, 31), st.booleans(),
        ),
    )  # fmt: skip


@settings(max_examples=40)
@given(schema=st.recursive(LEAVES, _branches, max_leaves=8), seed=st.integers(0, 999))
def test_any_schema_gives_only_valid_answers(
    engine: StartedEngine, schema: dict[str, Any], seed: int
) -> None:
    """Schemas at random, answers at random: each that ends is valid."""
    body = _asked(schema) | {"n": 4, "seed": seed, "max_tokens": 150, "temperature": 1.5}
    for text in _answers(engine, body):
        jsonschema.validate(json.loads(text), schema)
