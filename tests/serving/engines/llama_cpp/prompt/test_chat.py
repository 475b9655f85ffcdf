"""A model's own template is rendered as its authors expect, and can do no harm."""

import resource
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from modelyard.serving.engines.helper.limits import MIB, HelperLimits
from modelyard.serving.engines.llama_cpp.prompt.chat import MAX_TEMPLATE, RENDERER, ChatTemplate
from modelyard.serving.engines.llama_cpp.tokenizer.special_tokens import Specials
from modelyard.serving.engines.llama_cpp.tokenizer.tokenizer import Tokenizer
from modelyard.serving.engines.llama_cpp.tokenizer.vocabulary import Vocabulary
from modelyard.serving.errors import InvalidRequest, ModelUnloadable
from modelyard.serving.wire.openai.chat.messages import ChatMessage
from tests.serving.engines.llama_cpp.serial_oracle import engine_on

LIMITS = HelperLimits(cpu_s=0.4, memory=192 * MIB)
ASK = [ChatMessage("user", "hi")]


def _render(source: str, messages: list[ChatMessage] | None = None) -> str:
    with closing(ChatTemplate.of(source, _Names(), LIMITS)) as template:
        return template.render(messages or ASK)


class _Names(Vocabulary):
    """A vocabulary without a model: templates only ask it for two names."""

    def text_of(self, token: int) -> str:
        return "<s>"

    def __init__(self) -> None:
        none = Specials({}, None, None)
        super().__init__(None, 0, frozenset(), Tokenizer(None, None, none, ([], [])))

    @property
    def begin(self) -> int:
        return -1

    @property
    def end(self) -> int:
        return -1


def test_huggingface_helpers_are_there() -> None:
    """Trimmed blocks, break, tojson without HTML, the date, generation marks, special tokens."""
    source = (
        "{{ bos_token }}{% for m in messages %}\n"
        "    {% generation %}{{ m.content | tojson }}{% endgeneration %}{% break %}\n"
        "{% endfor %}{{ strftime_now('%Y') }}{{ 3 * 2 }}{{ '-' * 3 }}{{ 'a' + 'b' }}"
    )
    text = _render(source, [ChatMessage("user", "<é>"), ChatMessage("user", "b")])
    assert text == f'<s>"<é>"{time.strftime("%Y")}6---ab'


def test_a_template_may_refuse_with_its_own_words() -> None:
    """raise_exception is how templates check roles: a 400 with their message."""
    with pytest.raises(InvalidRequest, match="roles must alternate"):
        _render("{{ raise_exception('roles must alternate') }}")


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os.system('true') }}",
        "{{ messages.append(1) }}",
        "{{ 'x' * 999999999 }}",
        "{{ '%999999999d' % 1 }}",
        "{{ 9 ** 999999999 }}",
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{% set n = namespace(x='a') %}{% for i in range(60) %}{% set n.x=n.x+n.x %}{% endfor %}",
        "{% for i in range(99999) %}{{ messages[0].content }}{{ 'x' * 9999 }}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ messages[0].content.ljust(MUCH) }}",
        "{{ messages[0].content | center(MUCH) }}",
        "{{ 'x' | center(1500000000) }}",
        "{{ messages[0].content.zfill(MUCH) }}",
        "{{ '{:>1500000000}'.format(messages[0].content) }}",
        "{{ messages | tojson(indent=MUCH) }}",
        "{% set x = messages[0].content.ljust(70000000) %}{{ (x ~ x ~ x ~ x) | length }}",
        "{{ (messages[0].content.ljust(9000000) | list | join('xxxxxxxxx')) | length }}",
    ],
)
def test_a_hostile_template_only_fails(source: str) -> None:
    """Escapes, endless work and memory bombs end in a 400, soon, and take none of our memory."""
    begun = time.monotonic()
    before = _most_memory()
    with pytest.raises(InvalidRequest, match="template"):
        _render(source.replace("MUCH", "messages | length * 1500000000"))
    assert time.monotonic() - begun < 60
    assert _most_memory() - before < 64 * MIB


def _most_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize("source", ["{% if %}", "x" * (MAX_TEMPLATE + 1)])
def test_a_broken_template_is_found_at_load(source: str) -> None:
    """A model whose template cannot be compiled is not served."""
    with pytest.raises(ModelUnloadable, match="template"):
        ChatTemplate.of(source, _Names(), LIMITS)


def test_who_takes_all_the_time_delays_no_other_chat() -> None:
    """While one chat runs into its limit the next ones are rendered, by processes of their own."""
    spin = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    source = "{% if messages[0].content == 'spin' %}" + spin + "{% endif %}ok"
    with closing(ChatTemplate.of(source, _Names(), HelperLimits(cpu_s=1.0))) as template:
        with ThreadPoolExecutor(1) as pool:
            spinning = pool.submit(template.render, [ChatMessage("user", "spin")])
            assert [template.render(ASK) for _ in range(20)] == ["ok"] * 20
            assert not spinning.done()
        with pytest.raises(InvalidRequest, match="more than 1 s of processor time"):
            spinning.result()
        assert template.render(ASK) == "ok"


def test_a_long_chat_of_a_slow_template_is_rendered() -> None:
    """A template that is slow for each message is no hostile one: it has its whole time."""
    source = (
        "{% for m in messages %}{% set n = namespace(i=0) %}{% for c in range(120) %}"
        "{% set n.i = n.i + c %}{% endfor %}{{ m.content }}{% endfor %}"
    )
    with closing(ChatTemplate.of(source, _Names())) as template:
        assert template.render([ChatMessage("user", "hm")] * 1001) == "hm" * 1001


def test_a_renderer_that_is_killed_costs_nobody_a_chat() -> None:
    """It is started anew: killed from outside, it is no fault of the request."""
    with closing(ChatTemplate.of("{{ messages[0].content }}", _Names())) as template:
        for _ in range(2):
            for helper in psutil.Process().children():
                if RENDERER in helper.cmdline():
                    helper.kill()
            assert template.render(ASK) == "hi"


def test_the_first_token_stands_once(tiny_f32: Path) -> None:
    """A template that writes the beginning itself and one that does not give the same tokens."""
    with engine_on(tiny_f32) as engine:
        tokens = list[list[int]]()
        for source in ("{{ bos_token }}hello", "hello"):
            with closing(ChatTemplate.of(source, engine.vocabulary)) as template:
                tokens.append(template.tokens(ASK, engine.vocabulary))
        assert tokens[0] == tokens[1]
        assert tokens[0].count(engine.vocabulary.begin) == 1
