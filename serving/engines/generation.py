"""The words of one generation: what is asked, what is run, what comes back."""

from dataclasses import dataclass, replace
from enum import Enum, StrEnum

from modelyard.serving.engines.tool_calls.forms import CallPart, CallPlan
from modelyard.serving.wire.openai.chat.messages import ChatMessage
from modelyard.serving.wire.openai.chat.response_format import JsonForm
from modelyard.serving.wire.openai.chat.tools import Tool
from modelyard.serving.wire.openai.completion import Prompt


class Finish(StrEnum):
    """Why an answer ended, in OpenAI's words."""

    STOP = "stop"
    LENGTH = "length"
    CALLS = "tool_calls"


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn; `temperature` 0 takes the likeliest, `top_k` 0 is no limit."""

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
        """Whether the likeliest token of the raw logits is the answer."""
        return self.temperature == 0 and not self.is_penalised and not self.logit_bias


@dataclass(frozen=True, slots=True)
class Scoring:
    """Which tokens come with their logprob: those written, with `top` rivals; the prompt's too?"""

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
    """What a client wants: messages, text or tokens to continue; `limit` None is all there is.

    `choices` answers are written side by side; `echo` puts the prompt's own text before each;
    an `endless` one goes on to its limit, whatever end the model writes.
    Prompts are remembered for the `tenant` alone, unless the operator lets all share. `adapter`
    is the sha256 of the LoRA adapter to answer under; empty is the model itself. `size` is how many
    bytes the request has: its texts are no longer.
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
    """GBNF that an answer keeps to, and the parameter that asked for it."""

    text: str
    param: str


@dataclass(frozen=True, slots=True)
class Generation:
    """What an engine runs: a checked ask as tokens, with room for `limit` more in the context."""

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
        """The same for a further answer: its seed is its own."""
        seed = self.sampling.seed
        if number == 0 or seed is None:
            return self
        return replace(self, sampling=replace(self.sampling, seed=seed + number))


class TokenPosition(Enum):
    """Where a scored token stands; the end token is neither shown nor counted."""

    PROMPT = 1
    WRITTEN = 2
    END = 3


@dataclass(frozen=True, slots=True)
class TokenScore:
    """A token's bytes and logprob (the prompt's first has none), and its likeliest rivals.

    `shown` is what of it stands in the text: nothing of a control token that was written.
    """

    piece: bytes
    shown: bytes
    logprob: float | None
    top: tuple[tuple[bytes, float], ...] = ()
    place: TokenPosition = TokenPosition.WRITTEN


@dataclass(frozen=True, slots=True)
class GenerationTimes:
    """Seconds one answer waited, read its prompt and wrote on; tokens it read and wrote."""

    queue_s: float
    prompt_s: float
    predicted_s: float
    prompt_n: int
    predicted_n: int


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of an answer; `cached` prompt tokens were not computed again.

    The last piece says what the answer `took`, where the engine knows.
    """

    text: str
    tokens: int = 0
    finish: Finish | None = None
    cached: int = 0
    scores: tuple[TokenScore, ...] = ()
    calls: tuple[CallPart, ...] = ()
    took: GenerationTimes | None = None
