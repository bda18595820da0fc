"""The settings: one typed object from `triage.toml` and `TRIAGE_*`, seen only by `bootstrap` and the entry points."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

import pydantic
import pydantic_settings
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_core import ErrorDetails

from triage import errors
from triage.model import ToolClass

PREFIX = "TRIAGE_"
FILE = "triage.toml"


class ToolSettings(BaseModel):
    """Where tickets or notices go. `local` needs nothing else; `webhook` posts JSON to `url`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["local", "webhook"] = "local"
    url: str | None = Field(default=None, pattern=r"^https?://", description="where a webhook's calls go")
    find_url: str | None = Field(default=None, pattern=r"^https?://", description="where a findable webhook is asked")
    token: SecretStr | None = Field(default=None, description="sent as a bearer token")
    tool_class: ToolClass = Field(default=ToolClass.BLIND, description="how it lets us find out what happened")
    timeout: timedelta = Field(default=timedelta(seconds=10), gt=timedelta(), le=timedelta(minutes=5))
    quarantine: timedelta = Field(default=timedelta(seconds=30), ge=timedelta(), le=timedelta(hours=1))
    key_window: timedelta | None = Field(default=None, gt=timedelta())

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind == "webhook" and self.url is None:
            raise ValueError("a webhook needs `url`")
        if self.tool_class is ToolClass.FINDABLE and (self.find_url is None or not self.quarantine):
            raise ValueError("a findable webhook needs `find_url` and a `quarantine` above zero")
        if (self.tool_class is ToolClass.WINDOWED) != (self.key_window is not None):
            raise ValueError("`key_window` belongs to the class `windowed`, and only to it")
        return self


class Settings(pydantic_settings.BaseSettings):
    """Everything that can be set. Secrets do not print."""

    model_config = pydantic_settings.SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", toml_file=FILE, extra="forbid", frozen=True
    )

    database_url: SecretStr | None = Field(
        default=None, description="postgresql+psycopg://…; none: the embedded server"
    )
    broker_url: SecretStr | None = Field(default=None, description="redis://… or amqp://…; none: the embedded server")
    home: Path = Field(default=Path(".triage"), description="where the embedded servers live")
    rules: Path | None = Field(default=None, description="a rules file; none: the shipped rules")
    project: Annotated[str, Field(min_length=1, max_length=200)] = "triage"
    tracker: ToolSettings = ToolSettings()
    notifier: ToolSettings = ToolSettings()
    attempts: Annotated[int, Field(ge=1, le=1_000)] = 20
    slots: Annotated[int, Field(ge=1, le=1_000, description="runs that one worker process works on at once")] = 32
    database_connections: Annotated[int, Field(ge=2, le=100)] = 10
    queue_low: Annotated[int, Field(ge=1, le=100_000, description="the relay fills a queue shorter than this")] = 200
    queue_high: Annotated[int, Field(ge=1, le=100_000, description="and never beyond this")] = 600
    log_format: Literal["console", "json"] = "console"

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.queue_low > self.queue_high:
            raise ValueError("queue_low must not be above queue_high")
        if self.database_url and not self.database_url.get_secret_value().startswith("postgresql+psycopg://"):
            raise ValueError("database_url must start with postgresql+psycopg://")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[pydantic_settings.BaseSettings],
        init_settings: pydantic_settings.PydanticBaseSettingsSource,
        env_settings: pydantic_settings.PydanticBaseSettingsSource,
        dotenv_settings: pydantic_settings.PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: pydantic_settings.PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[pydantic_settings.PydanticBaseSettingsSource, ...]:
        """The environment wins over the file."""
        file = pydantic_settings.TomlConfigSettingsSource(settings_cls)
        return init_settings, env_settings, file


def load() -> Settings:
    """The settings of this process.

    Raises:
        InvalidSetting: names the setting and says what is wrong with it.
    """
    _refuse_unknown()
    try:
        return Settings()
    except pydantic.ValidationError as error:
        raise errors.InvalidSetting(_explain(error)) from None
    except (pydantic_settings.SettingsError, ValueError) as error:
        raise errors.InvalidSetting(f"the settings cannot be read ({FILE} or {PREFIX}*): {error}") from None


def _refuse_unknown() -> None:
    """A misspelt variable would otherwise be ignored in silence."""
    known = {name.upper() for name in Settings.model_fields}
    for variable in os.environ:
        if variable.startswith(PREFIX) and variable.removeprefix(PREFIX).split("__")[0].upper() not in known:
            raise errors.InvalidSetting(f"{variable} is not a setting; there are: {', '.join(sorted(known))}")


def _explain(error: pydantic.ValidationError) -> str:
    return "; ".join(_explain_one(found) for found in error.errors(include_url=False, include_input=False))


def _explain_one(found: ErrorDetails) -> str:
    name = ".".join(str(part) for part in found["loc"])
    variable = PREFIX + "__".join(str(part).upper() for part in found["loc"])
    where = f"setting {name} (in {FILE}, or {variable})" if name else "settings"
    return f"{where}: {found['msg']}"
