"""The helper process that compiles and renders one chat template; see decision 0027.

Its setting is `{"source", "begin", "end"}`. An empty request tells what the template is:
`{"takes_tools"}`; one of `{"messages", "tools"}` is answered with the text.
"""

from collections.abc import Callable
from typing import Any

from jinja2 import TemplateError
from jinja2.meta import find_undeclared_variables

from modelyard.serving.engines.helper.serving import CannotAnswer, serve
from modelyard.serving.engines.llama_cpp.prompt.sandbox import TemplateSandbox

MAX_TEXT = 16 * 1024 * 1024
# Errors that a template's code may raise: its own refusal, a wrong type, a Python limit.
_REFUSALS = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError)


def renderer_of(setting: dict[str, str]) -> Callable[[dict[str, Any]], Any]:
    """Compile a template; raises CannotAnswer if it is not valid jinja2."""
    sandbox = TemplateSandbox()
    try:
        template = sandbox.compiled(setting["source"])
        takes_tools = "tools" in find_undeclared_variables(sandbox.parse(setting["source"]))
    except _REFUSALS as error:
        raise CannotAnswer(str(error)) from None
    tokens = {"bos_token": setting["begin"], "eos_token": setting["end"]}

    def answer(asked: dict[str, Any]) -> Any:
        if not asked:
            return {"takes_tools": takes_tools}
        given = asked | tokens | {"add_generation_prompt": True, "documents": None}
        try:
            return _bounded(template.generate(**given))
        except _REFUSALS as error:
            raise CannotAnswer(str(error)) from None

    return answer


def _bounded(parts: Any) -> str:
    written: list[str] = []
    room = MAX_TEXT
    for part in parts:
        written.append(part)
        room -= len(part)
        if room < 0:
            raise TemplateError(f"it writes more than {MAX_TEXT} characters")
    return "".join(written)


if __name__ == "__main__":
    serve(renderer_of)
