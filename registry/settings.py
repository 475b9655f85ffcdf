"""Settings from the environment and one TOML file, checked at start with clear messages."""

import os
import tomllib
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar
from urllib.parse import quote, urlsplit

from pydantic import (
    AliasChoices,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from modelyard.registry.errors import SettingsInvalid
from modelyard.registry.logs.hidden import without_logins
from modelyard.registry.logs.lines import Form, Level

PREFIX = "MODELYARD_"
CONFIG = "MODELYARD_CONFIG"
ANSWER_S = 30.0
"""Seconds for a statement of PostgreSQL; SQLite waits as long for its lock."""

_SQLITE = "sqlite:///"
S = TypeVar("S", bound="Section")


def config_file() -> Path:
    """The settings file: `$MODELYARD_CONFIG`, or else `modelyard.toml` in the working directory."""
    return Path(os.environ.get(CONFIG) or "modelyard.toml")


def read_file() -> dict[str, Any]:
    """What the settings file says; raises SettingsInvalid if it cannot be read.

    It need not exist, unless `$MODELYARD_CONFIG` names it.
    """
    file = config_file()
    try:
        return tomllib.loads(file.read_text())
    except FileNotFoundError:
        if os.environ.get(CONFIG):
            raise SettingsInvalid(
                f"There is no file {file}, which {CONFIG} names.",
                fix=f"Correct {CONFIG}, or unset it.",
            ) from None
        return {}
    except ValueError as error:  # TOMLDecodeError, or bytes that are no text
        raise SettingsInvalid(
            f"{file} is not valid TOML: {error}.",
            fix="A line reads `name = value`; text stands in quotes.",
        ) from None
    except OSError as error:
        raise SettingsInvalid(
            f"{file} cannot be read: {error.strerror}.", fix=f"Correct {CONFIG}, or unset it."
        ) from None


class Section(BaseSettings):
    """One package's settings: environment over file, file over defaults."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", populate_by_name=True, frozen=True
    )

    @classmethod
    def settings_customise_sources(  # noqa: PLR0917  pydantic asks for them so
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings  # one file, not three
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, config_file())


class LogSettings(Section):
    """How every process writes its log."""

    log_format: Form = Field(
        default="auto",
        description="Form of log lines: console (for people), json; auto: console on a terminal.",
    )
    log_level: Level = Field(
        default="info",
        description="The least that is logged: debug, info, warning, error or critical.",
    )


class RegistrySettings(LogSettings):
    """Where the registry keeps what it knows."""

    data_dir: Path = Field(
        default=Path("~/.local/share/modelyard"),
        description="Folder of everything that is kept when nothing else is set.",
    )
    database_url: str = Field(
        default="",
        description="SQLAlchemy URL, such as postgresql+psycopg://user:pw@host/db; "
        "empty: SQLite in the data folder.",
    )
    database_answer_s: float = Field(
        default=ANSWER_S,
        ge=1,
        le=3600,
        description="Seconds that PostgreSQL may take for one statement; after that its connection "
        "is given up.",
    )
    store_dir: Path | None = Field(
        default=None, description="Folder (or network volume) of model files; empty: data folder."
    )
    store_max_gb: float = Field(
        default=200.0,
        gt=0,
        le=1e6,
        description="Bound of the store in GB (10^9 bytes); least recently used leaves.",
    )
    mlflow_uri: str = Field(
        default="", description="MLflow tracking URI; empty: MLflow on SQLite in the data folder."
    )
    qdrant_url: str = Field(
        default="", description="Qdrant server; empty: an embedded shard in the data folder."
    )
    qdrant_api_key: SecretStr = Field(
        default=SecretStr(""), description="Key of the Qdrant server."
    )
    redis_url: SecretStr = Field(
        default=SecretStr(""),
        description="Redis, such as redis://host:6379/0 (rediss:// for TLS): limits and load "
        "that gateways share, and cached reads; empty: each process by itself.",
    )
    redis_password: SecretStr = Field(
        default=SecretStr(""),
        description="Password of Redis, with any characters; empty: the one in its URL, if any.",
    )
    card_embedder: str = Field(
        default="auto",
        description="Embedding model that cards are also found by: model, model@alias or "
        "model@version; auto: the champion of the first one; empty: words alone.",
    )
    secret_key: SecretStr = Field(
        default=SecretStr(""),
        description="Signs sessions, at least 32 characters; empty: made once in the data folder.",
    )
    metrics_token: SecretStr = Field(
        default=SecretStr(""),
        description="With what Prometheus reads /metrics of gateway and workers, at least 16 "
        "characters; empty: follows from the secret key, `modelyard keys metrics` shows it.",
    )

    dashboard_token: SecretStr = Field(
        default=SecretStr(""),
        description="With what the dashboard tells gateways the address of a browser that logs in, "
        "at least 16 characters; empty: follows from the secret key.",
    )

    @field_validator("data_dir", "store_dir")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return value.expanduser().absolute() if value else value

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if value and not value.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError("must start with sqlite:/// or postgresql+psycopg://")
        return value

    @field_validator("database_url", "mlflow_uri")
    @classmethod
    def _file_from_anywhere(cls, value: str) -> str:
        """Make a SQLite path absolute, because our processes have different working directories."""
        file = value.removeprefix(_SQLITE)
        if file == value or not file or file.startswith(("/", ":", "file:")):
            return value
        return f"{_SQLITE}{Path(file).absolute()}"

    @field_validator("redis_url")
    @classmethod
    def _known_redis(cls, value: SecretStr) -> SecretStr:
        if value and not value.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must start with redis://, rediss:// or unix://")
        return value

    @model_validator(mode="after")
    def _with_redis_password(self) -> Self:
        """Whoever opens `redis_url` brings the password along, in the form that URLs need."""
        password = self.redis_password.get_secret_value()
        if password and self.redis_url:
            parts = urlsplit(self.redis_url.get_secret_value())
            login, _, host = parts.netloc.rpartition("@")
            user = login.partition(":")[0]
            netloc = f"{user}:{quote(password, safe='')}@{host}"
            url = SecretStr(parts._replace(netloc=netloc).geturl())
            object.__setattr__(self, "redis_url", url)
        return self

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value()) < 32:
            raise ValueError("must have at least 32 characters")
        return value

    @field_validator("metrics_token", "dashboard_token")
    @classmethod
    def _not_guessed(cls, value: SecretStr) -> SecretStr:
        token = value.get_secret_value()
        if token and (len(token) < 16 or not token.isascii() or not token.isprintable()):
            raise ValueError("must have at least 16 printable ASCII characters")
        return value

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir / 'modelyard.db'}"

    @property
    def store(self) -> Path:
        return self.store_dir or self.data_dir / "store"

    @property
    def mlflow(self) -> str:
        return self.mlflow_uri or f"sqlite:///{self.data_dir / 'mlflow.db'}"


def load(section: type[S], **given: Any) -> S:
    """Read one section; raises SettingsInvalid naming the variable, value and allowed values."""
    read_file()  # so that a file that cannot be read is told by name
    try:
        return section(**given)
    except ValidationError as error:
        lines = [_explain(section, dict(e)) for e in error.errors()]
        raise SettingsInvalid("\n".join(lines), fix="See `modelyard config`.") from None


def _explain(section: type[Section], error: dict[str, Any]) -> str:
    """One line about a wrong setting, without secrets; settings may be wrong only together."""
    told = without_logins(error["msg"])
    if not error["loc"]:
        return f"{told}."
    name = str(error["loc"][0])
    field = section.model_fields.get(name) or _by_alias(section, name)
    secret = field is not None and field.annotation is SecretStr
    value = "(hidden)" if secret else without_logins(repr(error.get("input")))
    variable = name if field is None else variable_of(field_name(section, field), field)
    return f"{variable}={value}: {told}."


def _by_alias(section: type[Section], name: str) -> FieldInfo | None:
    return next((f for f in section.model_fields.values() if name in aliases_of(f)), None)


def field_name(section: type[Section], field: FieldInfo) -> str:
    return next(name for name, f in section.model_fields.items() if f is field)


def aliases_of(field: FieldInfo) -> tuple[str, ...]:
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return tuple(str(c) for c in alias.choices)
    return (alias,) if isinstance(alias, str) else ()


def variable_of(name: str, field: FieldInfo) -> str:
    """A field's environment variable: its upper-case alias (HF_TOKEN) or the prefixed name."""
    upper = [a for a in aliases_of(field) if a.isupper()]
    return upper[0] if upper else PREFIX + name.upper()


def sections() -> Iterator[tuple[str, type[Section]]]:
    """Every installed package's settings section, found by its entry point."""
    for entry in sorted(entry_points(group="modelyard.settings"), key=lambda e: e.name):
        yield entry.name, entry.load()
