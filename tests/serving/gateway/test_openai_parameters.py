"""Every parameter of OpenAI's that a model honours, by its own client, through a real gateway.

One test a parameter: gateway, worker and engine are processes, the model is a GGUF file.
"""

import json
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import openai
import pytest
from openai.types import Completion
from openai.types.chat import ChatCompletion

from modelyard.registry.catalog.adapters import AdapterCatalog
from modelyard.registry.catalog.model import StoredFile
from tests.models.tiny import Tiny
from tests.models.tiny_lora import TinyLora
from tests.serving.engines.llama_cpp.serial_oracle import Serial
from tests.serving.installation import open_installation
from tests.serving.processes import PATIENT, environment, gateway_process, worker_process

pytestmark = pytest.mark.slow

TEMPLATE = (
    "{% if tools %}{{ tools | tojson }} answer by <tool_call>{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n"
)
BASE = Tiny(endless=True, chat_template=TEMPLATE)
PROMPT = "def work(self, hours):"
PLACE: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 6}, "days": {"enum": [1, 2]}},
    "required": ["city", "days"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model `o/m` with an adapter `o/m+pirate`, and the client that asks for them."""

    client: openai.OpenAI
    base: Path
    merged: Path

    def text(self, prompt: Any = PROMPT, **asked: Any) -> str:
        return self.complete(prompt, **asked).choices[0].text

    def complete(self, prompt: Any = PROMPT, **asked: Any) -> Completion:
        given: dict[str, Any] = {"model": "o/m", "max_tokens": 24, "temperature": 0} | asked
        return self.client.completions.create(prompt=prompt, **given)

    def chat(self, **asked: Any) -> ChatCompletion:
        return self.client.chat.completions.create(**_chat(asked))

    def stream(self, **asked: Any) -> list[Any]:
        return list(self.client.chat.completions.create(**_chat(asked), stream=True))


def _chat(asked: dict[str, Any]) -> dict[str, Any]:
    messages = [{"role": "user", "content": "Rome?"}]
    return {"model": "o/m", "messages": messages, "max_tokens": 24, "temperature": 0} | asked


@pytest.fixture(scope="module")
def served(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Generator[ServedModel]:
    folder = tmp_path_factory.mktemp("parameters")
    (folder / "modelyard.db").write_bytes(sqlite_template.read_bytes())
    env = environment(folder) | PATIENT
    env |= {"MODELYARD_CONTEXT_LENGTH": "512", "MODELYARD_THREADS": "1"}
    base = BASE.write(folder / "base.gguf")
    lora = TinyLora(BASE)
    with (
        open_installation(f"sqlite:///{folder / 'modelyard.db'}", folder) as installation,
        gateway_process(env, folder) as gateway,
        worker_process(env),
    ):
        installation.filled.add_gguf("o/m", base)
        file = installation.filled.store.put(lora.write(folder / "lora.gguf"))
        AdapterCatalog(installation.database).add(
            "o/m", "pirate", StoredFile("x", file.sha256, file.size)
        )
        url = f"{gateway.url}/v1"
        key = installation.ada
        with openai.OpenAI(base_url=url, api_key=key, max_retries=0, timeout=240) as client:
            gateway.once_ready()
            yield ServedModel(client, base, lora.merged(folder / "merged.gguf"))


def _serial(path: Path, prompt: str, limit: int) -> str:
    serial = Serial(path)
    text = serial.text(prompt, limit)
    serial.close()
    return text


def test_temperature(served: ServedModel) -> None:
    """0 is greedy, token for token the serial answer; above it answers differ."""
    assert served.text() == _serial(served.base, PROMPT, 24)
    assert len({served.text(temperature=1.5, seed=seed) for seed in range(4)}) == 4


@pytest.mark.parametrize("narrow", [{"top_p": 1e-6}, {"top_k": 1}, {"min_p": 1.0}])
def test_top_p_top_k_min_p(served: ServedModel, narrow: dict[str, Any]) -> None:
    """Only the likeliest token is left to draw from, however hot."""
    sent = narrow if "top_p" in narrow else {"extra_body": narrow}
    assert served.text(temperature=2, seed=1, **sent) == served.text()


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_max_tokens(served: ServedModel, name: str) -> None:
    """Under both names, to the token."""
    answer = served.chat(**{"max_tokens": None, name: 5})
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 5
    assert answer.choices[0].finish_reason == "length"


def test_stop(served: ServedModel) -> None:
    """The answer ends before the string, though its characters are of several tokens."""
    whole = served.complete(logprobs=0, max_tokens=24).choices[0]
    assert whole.logprobs is not None
    tokens = [t for t in whole.logprobs.tokens or [] if not t.startswith("bytes:")]
    stop = next(
        a[-1:] + b[:1]
        for a, b in pairwise(tokens)
        if a and b and a + b in whole.text and whole.text.find(a[-1:] + b[:1]) > 5
    )
    choice = served.complete(stop=[stop, "never"]).choices[0]
    assert choice.text == whole.text[: whole.text.index(stop)]
    assert choice.finish_reason == "stop"


def test_seed(served: ServedModel) -> None:
    """The same seed, the same answer; another, another."""
    one, again, other = (served.text(temperature=1, seed=seed) for seed in (7, 7, 8))
    assert one == again != other


@pytest.mark.parametrize(
    "penalty",
    [
        {"presence_penalty": 2.0},
        {"frequency_penalty": 2.0},
        {"extra_body": {"repetition_penalty": 2.0}},
    ],
)
def test_penalties(served: ServedModel, penalty: dict[str, Any]) -> None:
    """A token that a bias all but forces is written again and again, until a penalty counts."""
    bias = {"5": 20, "6": 19.5, "7": 19}
    free = served.complete(logit_bias=bias, logprobs=0).choices[0].logprobs
    held = served.complete(logit_bias=bias, logprobs=0, **penalty).choices[0].logprobs
    assert free is not None
    assert held is not None
    assert len(set(free.tokens or [])) < len(set(held.tokens or []))


def test_logit_bias(served: ServedModel) -> None:
    """+100 makes a token certain, -100 keeps it away."""
    forced = served.text(logit_bias={"42": 100}, max_tokens=3)
    assert forced == forced[: len(forced) // 3] * 3
    assert forced[:1] not in served.text(logit_bias={"42": -100})[:1]


def test_logprobs(served: ServedModel) -> None:
    """Chat: each token with its rivals, the likeliest first; and streamed the same."""
    asked = {"logprobs": True, "top_logprobs": 3, "max_tokens": 6}
    logprobs = served.chat(**asked).choices[0].logprobs
    assert logprobs is not None
    entries = logprobs.content or []
    assert [len(entry.top_logprobs) for entry in entries] == [3] * 6
    assert all(entry.logprob == entry.top_logprobs[0].logprob for entry in entries)
    chunks = [c.choices[0].logprobs for c in served.stream(**asked) if c.choices[0].logprobs]
    assert [e.token for c in chunks for e in c.content] == [e.token for e in entries]


def test_n(served: ServedModel) -> None:
    """So many answers, each with its index."""
    answer = served.chat(n=3, temperature=1, seed=2)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in answer.choices}) == 3


def test_echo(served: ServedModel) -> None:
    """The prompt before its continuation; with `logprobs` scored too."""
    choice = served.complete(echo=True, logprobs=2).choices[0]
    assert choice.text == PROMPT + served.text()
    assert choice.logprobs is not None
    assert (choice.logprobs.token_logprobs or [0])[0] is None
    assert len(choice.logprobs.tokens or []) > 24


def test_usage_counts_what_was_cached(served: ServedModel) -> None:
    """The same long prompt again is not computed again."""
    long = "class Worker: " * 20
    served.text(long)
    usage = served.complete(long).usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    assert usage.prompt_tokens_details.cached_tokens == usage.prompt_tokens - 1
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_include_usage(served: ServedModel) -> None:
    """The last chunk of a stream, with no choices; without the wish there is none."""
    served.chat()
    chunks = served.stream(stream_options={"include_usage": True})
    assert chunks[-1].choices == []
    assert chunks[-1].usage == served.chat().usage
    assert all(chunk.usage is None for chunk in (*chunks[:-1], *served.stream()))


def test_ignore_eos(served: ServedModel) -> None:
    """VLLM's way to a length: an end that the model is made to write is not one."""
    ends = {"logit_bias": {"1023": 100}}
    assert served.complete(**ends).choices[0].finish_reason == "stop"
    answer = served.complete(**ends, extra_body={"ignore_eos": True})
    assert answer.usage is not None
    assert (answer.choices[0].finish_reason, answer.usage.completion_tokens) == ("length", 24)
    with pytest.raises(openai.BadRequestError) as refused:
        served.chat(extra_body={"ignore_eos": True}, response_format={"type": "json_object"})
    assert refused.value.param == "ignore_eos"


def test_usage_so_far(served: ServedModel) -> None:
    """VLLM's continuous_usage_stats: each chunk counts the tokens until then."""
    options = {"include_usage": True, "continuous_usage_stats": True}
    chunks = [c for c in served.stream(stream_options=options) if c.choices]
    counts = [c.usage.completion_tokens for c in chunks[1:]]
    assert counts == sorted(counts)
    assert (counts[0] > 0, counts[-1]) == (True, 24)


def test_response_format(served: ServedModel) -> None:
    """Any JSON object, or one that a schema allows; from a model that knows no JSON."""
    form = {"type": "json_schema", "json_schema": {"name": "place", "schema": PLACE}}
    asked = {"temperature": 1, "max_tokens": 300}
    place = served.chat(response_format=form, seed=1, **asked).choices[0]
    assert place.finish_reason == "stop"
    jsonschema.validate(json.loads(place.message.content or ""), PLACE)
    for seed in range(20):
        some = served.chat(response_format={"type": "json_object"}, seed=seed, **asked).choices[0]
        if some.finish_reason == "stop":
            assert isinstance(json.loads(some.message.content or ""), dict)
            return
    pytest.fail("no object came to its end")


def test_tools_streamed(served: ServedModel) -> None:
    """A tool that must be called is; the deltas join to the whole call."""
    tools = [{"type": "function", "function": {"name": "weather", "parameters": PLACE}}]
    choice = {"type": "function", "function": {"name": "weather"}}
    asked = {"tools": tools, "tool_choice": choice, "max_tokens": 200, "seed": 3}
    whole = served.chat(**asked).choices[0]
    assert whole.finish_reason == "tool_calls"
    [call] = whole.message.tool_calls or []
    assert call.type == "function"
    jsonschema.validate(json.loads(call.function.arguments), PLACE)
    deltas = [d for c in served.stream(**asked) for d in c.choices[0].delta.tool_calls or []]
    assert deltas[0].function.name == "weather"
    assert "".join(d.function.arguments or "" for d in deltas) == call.function.arguments
    assert served.chat(**asked | {"tool_choice": "none"}).choices[0].message.tool_calls is None


@pytest.mark.parametrize("as_tokens", [False, True])
def test_several_prompts(served: ServedModel, *, as_tokens: bool) -> None:
    """Texts or token lists in one request: as many answers as asked one by one, in order."""
    prompts: list[Any] = [f"def f{number}(self):" for number in range(6)]
    if as_tokens:
        prompts = [[7 * number + 1, 30, 31 + number] for number in range(6)]
    alone = [served.complete(prompt, echo=True, logprobs=1) for prompt in prompts]
    answer = served.complete(prompts, echo=True, logprobs=1)
    assert [choice.index for choice in answer.choices] == list(range(6))
    for choice, one in zip(answer.choices, alone, strict=True):
        assert choice.text == one.choices[0].text
        assert choice.logprobs is not None
        assert one.choices[0].logprobs is not None
        assert choice.logprobs.tokens == one.choices[0].logprobs.tokens
    assert answer.usage is not None
    usages = [one.usage for one in alone if one.usage is not None]
    assert answer.usage.prompt_tokens == sum(usage.prompt_tokens for usage in usages)
    assert answer.usage.completion_tokens == 6 * 24


def test_several_prompts_with_n_and_a_stream(served: ServedModel) -> None:
    """OpenAI's indexes: the choices of the first prompt, then those of the second."""
    asked: dict[str, Any] = {"n": 3, "temperature": 1, "seed": 4, "max_tokens": 8}
    whole = [c.text for c in served.complete(["def a", "class B"], **asked).choices]
    alone = [c.text for p in ("def a", "class B") for c in served.complete(p, **asked).choices]
    assert whole == alone
    given: dict[str, Any] = {"model": "o/m", "prompt": ["def a", "class B"], "stream": True}
    pieces = [""] * 6
    for chunk in served.client.completions.create(**given, **asked):
        pieces[chunk.choices[0].index] += chunk.choices[0].text
    assert pieces == whole


def test_an_adapter_is_a_model_s_name(served: ServedModel) -> None:
    """`base+adapter` answers as merged weights would, beside the base; it is listed below it."""
    names = ["o/m", "o/m+pirate", "o/m@champion+pirate", "o/m@1+pirate"] * 3
    with ThreadPoolExecutor(12) as pool:
        texts = list(pool.map(lambda name: served.text(model=name), names))
    adapted = _serial(served.merged, PROMPT, 24)
    assert texts == [_serial(served.base, PROMPT, 24), adapted, adapted, adapted] * 3
    assert served.complete(model="o/m+pirate").model == "o/m+pirate"
    listed = {card.id: card.model_extra or {} for card in served.client.models.list()}
    assert set(listed) == {"o/m", "o/m+pirate"}
    assert listed["o/m+pirate"]["parent"] == "o/m"
    assert served.client.models.retrieve("o/m+pirate").id == "o/m+pirate"
    with pytest.raises(openai.NotFoundError, match=r"o/m\+parrot") as unknown:
        served.text(model="o/m+parrot")
    assert unknown.value.code == "model_not_found"


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"temperature": 3}, "temperature"),
    ({"top_p": 0}, "top_p"),
    ({"n": 9}, "n"),
    ({"stop": ["x"] * 5}, "stop"),
    ({"logit_bias": {"9999999": 1}}, "logit_bias"),
    ({"extra_body": {"best_of": 3}}, "best_of"),
    ({"extra_body": {"suffix": "x"}}, "suffix"),
    ({"extra_body": {"top_a": 1}}, "top_a"),
    ({"prompt": ["x"] * 129}, "prompt"),
    ({"prompt": []}, "prompt"),
    ({"extra_body": {"stream": True, "stream_options": {"x": 1}}}, "stream_options.x"),
]


@pytest.mark.parametrize(("asked", "param"), REFUSED)
def test_what_cannot_be_honoured_is_refused_by_name(
    served: ServedModel, asked: dict[str, Any], param: str
) -> None:
    """400 with the parameter's name: nothing is silently left out."""
    with pytest.raises(openai.BadRequestError) as refused:
        served.complete(**asked)
    assert refused.value.param == param
