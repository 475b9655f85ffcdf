"""A model's own template is rendered as its authors expect, and can do no harm."""

import time
from pathlib import Path

import pytest

from modelyard.serving.engines.llama_cpp.prompt.chat import MAX_TEMPLATE, ChatTemplate
from modelyard.serving.engines.llama_cpp.tokenizer.special_tokens import Specials
from modelyard.serving.engines.llama_cpp.tokenizer.tokenizer import Tokenizer
from modelyard.serving.engines.llama_cpp.tokenizer.vocabulary import Vocabulary
from modelyard.serving.errors import InvalidRequest, ModelUnloadable
from modelyard.serving.wire.openai.chat.messages import ChatMessage
from tests.serving.engines.llama_cpp.serial_oracle import engine_on

ASK = [ChatMessage("user", "hi")]


def _render(source: str, messages: list[ChatMessage] | None = None) -> str:
    template = ChatTemplate.of(source, _Names()).template
    return ChatTemplate(template, "<s>", "</s>").render(messages or ASK)


class _Names(Vocabulary):
    """A vocabulary without a model: templates only ask it for two names."""

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
    ],
)
def test_a_hostile_template_only_fails(source: str) -> None:
    """Escapes, endless work and memory bombs end in a 400, after seconds and not hours."""
    begun = time.monotonic()
    with pytest.raises(InvalidRequest, match="template"):
        _render(source)
    assert time.monotonic() - begun < 60


@pytest.mark.parametrize("source", ["{% if %}", "x" * (MAX_TEMPLATE + 1)])
def test_a_broken_template_is_found_at_load(source: str) -> None:
    """A model whose template cannot be compiled is not served."""
    with pytest.raises(ModelUnloadable, match="template"):
        ChatTemplate.of(source, _Names())


def test_the_first_token_stands_once(tiny_f32: Path) -> None:
    """A template that writes the beginning itself and one that does not give the same tokens."""
    with engine_on(tiny_f32) as engine:
        tokens = [
            ChatTemplate.of(source, engine.vocabulary).tokens(ASK, engine.vocabulary)
            for source in ("{{ bos_token }}hello", "hello")
        ]
        assert tokens[0] == tokens[1]
        assert tokens[0].count(engine.vocabulary.begin) == 1
