"""No setting's secret is printed: by no command, no listing and no error, whatever its form."""

from typing import Any

import pytest
import typer
from pydantic import SecretStr

from modelyard.registry.errors import ModelyardError, SettingsInvalid
from modelyard.registry.logs.hidden import without_logins
from modelyard.registry.logs.lines import Lines
from modelyard.registry.process.shown_settings import show_all
from modelyard.registry.settings import Section, load, sections, variable_of
from modelyard.serving.cli.checks.finding import warn
from tests.serving.cli.shell import Shell
from tests.serving.cli.test_help import leaves

SECRET = "Rumpelstiltskin"
URLS = (
    f"http://user:{SECRET}@127.0.0.1:9",
    f"http://{SECRET}@127.0.0.1:9/path",
    f"http://user:a/{SECRET}@127.0.0.1:9/path",
    f"http://user:a@{SECRET}@127.0.0.1:9",
    f"http://127.0.0.1:9/?sslpassword={SECRET}&a=b",
)
SERVERS = {
    "MODELYARD_DATABASE_URL": f"postgresql+psycopg://user:{SECRET}@127.0.0.1:9/x",
    "MODELYARD_MLFLOW_URI": URLS[0],
    "MODELYARD_QDRANT_URL": URLS[0],
    "MODELYARD_REDIS_URL": f"redis://:{SECRET}@127.0.0.1:9",
    "MODELYARD_GATEWAY_URL": URLS[0],
    "MODELYARD_API_KEY": SECRET,
    "MODELYARD_SECRET_KEY": SECRET * 3,
    "MODELYARD_METRICS_TOKEN": SECRET * 3,
    "MODELYARD_QDRANT_API_KEY": SECRET,
    "HF_ENDPOINT": URLS[0],
    "HF_TOKEN": SECRET,
    "PREFECT_API_URL": URLS[0],
    "PREFECT_API_AUTH_STRING": f"name:{SECRET}",
}
LASTING = {("demo",), ("dispatcher",), ("gateway",), ("up",), ("worker",)}
"""Servers: they do not end, and what they write is a log's lines."""

SHOWN_ON_PURPOSE = {("keys", "metrics")}


FILES = {"access_log"}
"""Texts that are the path of a file: an address there is read as one."""


def named() -> list[tuple[type[Section], str]]:
    """Every setting that is a text or a secret."""
    found = [(section, name) for _, section in sections() for name in section.model_fields]
    texts = [(s, n) for s, n in found if is_text(s.model_fields[n].annotation)]
    return [(section, name) for section, name in texts if name not in FILES]


def is_text(kind: object) -> bool:
    return kind is str or kind is SecretStr


@pytest.mark.parametrize("url", URLS)
def test_no_setting_shows_the_login_in_an_address(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever setting holds it: listed where it is taken, told of where it is refused."""
    for section, name in named():
        variable = variable_of(name, section.model_fields[name])
        with monkeypatch.context() as here:
            here.setenv(variable, url)
            try:
                told = str(show_all())
            except SettingsInvalid as error:
                told = str(error)
        assert variable in told
        assert SECRET not in told, variable


def test_settings_that_are_wrong_together_are_told_without_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The reason is enough: what all of them are is nobody's to read in an error."""

    class _Together(Section):
        password: str = ""

        def model_post_init(self, context: Any, /) -> None:
            raise ValueError("no password is needed here")

    monkeypatch.setenv("MODELYARD_PASSWORD", SECRET)
    with pytest.raises(SettingsInvalid) as refused:
        load(_Together)
    assert SECRET not in str(refused.value)


def test_no_command_shows_a_secret(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no server answers, each tells which; none tells by which login it was asked."""
    for variable, value in SERVERS.items():
        monkeypatch.setenv(variable, value)
    count = 0
    for path, command in leaves(typer.main.get_command(shell.commands.root)):
        if path in LASTING | SHOWN_ON_PURPOSE:
            continue
        needed = [p for p in command.params if p.param_type_name == "argument" and p.required]
        assert SECRET not in outcome(shell, [*path, *("x" for _ in needed)]), path
        count += 1
    assert count > 15
    assert SECRET not in capsys.readouterr().err


def outcome(shell: Shell, arguments: list[str]) -> str:
    """What a command printed, or its error as the command line tells it."""
    try:
        return without_logins(shell.run(*arguments, typed="some password\nsome password\n").said)
    except ModelyardError as error:
        return without_logins(str(error))
    except Exception as error:  # noqa: BLE001  as a line of the log
        Lines("json").write("modelyard", "critical", "broke", {"exc_info": error})
        return ""


def test_a_finding_of_doctor_hides_logins() -> None:
    """Of any server; the rest of the address is told."""
    found = warn("MLflow", f"{URLS[0]} does not answer", "").found
    assert found == "http://[hidden]@127.0.0.1:9 does not answer"


@pytest.mark.parametrize(
    "text",
    ["http://127.0.0.1:8080/v1/models/talker@1", "see http://a/b and c@d", "https://hub/?a=b"],
)
def test_an_address_without_a_login_is_told_whole(text: str) -> None:
    """What hides everything helps nobody."""
    assert without_logins(text) == text
