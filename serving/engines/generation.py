"""The types of one generation: the request, the prepared run, the answer."""

from dataclasses import dataclass, replace
from enum import Enum, StrEnum

from modelyard.serving.engines.tool_calls.forms import CallPart, CallPlan
from modelyard.serving.wire.openai.chat.messages import ChatMessage
from modelyard.serving.wire.openai.chat.response_format import JsonForm
from modelyard.serving.wire.openai.chat.tools import Tool
from modelyard.serving.wire.openai.completion import Prompt


class Finish(StrEnum):
    """Why an answer ended, with OpenAI's values."""

    STOP = "stop"
    LENGTH = "length"
    CALLS = "tool_calls"


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn; `temperature` 0 is greedy, `top_k` 0 means no limit."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    seed: int | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    logit_bias: tuple[tuple[int, float], ...] = ()

    @property
    def is_penalised(self) -> bool:
        return (self.presence_penalty, self.frequency_penalty, self.repetition_penalty) != (0, 0, 1)

    @property
    def is_plain_greedy(self) -> bool:
        """Whether decoding takes the likeliest token of the raw logits."""
        return self.temperature == 0 and not self.is_penalised and not self.logit_bias


@dataclass(frozen=True, slots=True)
class Scoring:
    """Logprobs: for generated tokens with `top` alternatives, with `prompt` also for its tokens."""

    top: int = 0
    prompt: bool = False


@dataclass(frozen=True, slots=True)
class ToolsAsk:
    """The tools a model may call, whether it must, and whether only once."""

    tools: tuple[Tool, ...]
    must: bool = False
    once: bool = False


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """A client's request: messages, text or tokens to continue; `limit` None means no limit.

    `choices` answers are generated in parallel; `echo` puts the prompt's text before each; an
    `endless` answer continues to its limit and ignores end tokens. Prompt caches are per `tenant`,
    unless the operator shares them. `adapter` is the sha256 of the LoRA adapter to use; empty means
    the base model. `size` is the request's size in bytes, an upper bound of its texts' length.
    """

    prompt: tuple[ChatMessage, ...] | Prompt
    limit: int | None = None
    stop: tuple[str, ...] = ()
    sampling: Sampling = Sampling()
    scoring: Scoring | None = None
    choices: int = 1
    echo: bool = False
    endless: bool = False
    form: JsonForm | None = None
    tools: ToolsAsk | None = None
    tenant: str = ""
    adapter: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True)
class GrammarSource:
    """GBNF that constrains an answer, and the request parameter it comes from."""

    text: str
    param: str


@dataclass(frozen=True, slots=True)
class Generation:
    """A checked request as tokens, ready to run; up to `limit` more tokens fit the context."""

    prompt: tuple[int, ...]
    limit: int
    stop: tuple[str, ...] = ()
    sampling: Sampling = Sampling()
    scoring: Scoring | None = None
    echo: str = ""
    endless: bool = False
    grammar: GrammarSource | None = None
    calls: CallPlan | None = None
    tenant: str = ""
    adapter: str = ""

    def choice(self, number: int) -> "Generation":
        """The same generation for choice `number`, with a seed of its own."""
        seed = self.sampling.seed
        if number == 0 or seed is None:
            return self
        return replace(self, sampling=replace(self.sampling, seed=seed + number))


class TokenPosition(Enum):
    """A scored token's position; the end token is neither shown nor counted."""

    PROMPT = 1
    WRITTEN = 2
    END = 3


@dataclass(frozen=True, slots=True)
class TokenScore:
    """A token's bytes and logprob (the first prompt token has none), and its top alternatives.

    `shown` are the bytes that appear in the text: none for a generated control token.
    """

    piece: bytes
    shown: bytes
    logprob: float | None
    top: tuple[tuple[bytes, float], ...] = ()
    place: TokenPosition = TokenPosition.WRITTEN


@dataclass(frozen=True, slots=True)
class GenerationTimes:
    """Seconds an answer waited, read its prompt and generated; tokens it read and wrote."""

    queue_s: float
    prompt_s: float
    predicted_s: float
    prompt_n: int
    predicted_n: int


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of an answer; `cached` prompt tokens came from the prefix cache.

    The last piece has the answer's times in `took`, if the engine measures them.
    """

    text: str
    tokens: int = 0
    finish: Finish | None = None
    cached: int = 0
    scores: tuple[TokenScore, ...] = ()
    calls: tuple[CallPart, ...] = ()
    took: GenerationTimes | None = None
