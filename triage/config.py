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
from triage.decide.duplicates import DuplicateSettings
from triage.decide.llm.settings import LlmSettings
from triage.decide.variant import CandidateSettings
from triage.model import Severity, burns
from triage.model.lifecycle import Lifecycle
from triage.store.tally import FRESH_EDGES
from triage.tools import local
from triage.tools.catalog import CalendarSettings, NotifierSettings, TrackerSettings
from triage.tools.connection import Address
from triage.tools.notifiers.standard_webhook import signer
from triage.tools.settings import Url

PREFIX = "TRIAGE_"
FILE = "triage.toml"
TOOLS = ("tracker", "notifier", "escalation", "calendar", "shadow_tracker")
"""The settings that name a tool."""


class Review(BaseModel):
    """The calendar block that a bad report gets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    least: Annotated[Severity, Field(description="the severity from which a slot is blocked")] = Severity.CRITICAL
    minutes: Annotated[int, Field(ge=5, le=480)] = 30
    attendees: tuple[str, ...] = ()


class Console(BaseModel):
    """The pages that `triage console` serves. Whoever has the secret may come in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: Annotated[int, Field(ge=0, le=65_535, description="0: a free one")] = 8090
    secret: Annotated[SecretStr, Field(min_length=32)] | None = Field(
        default=None, description="signs links and cookies; none: made up and kept in the home folder"
    )
    hosts: tuple[str, ...] = Field(default=(), description="names it may be called by, beside those of this machine")
    metrics_token: Annotated[SecretStr, Field(min_length=16)] | None = Field(
        default=None, description="the bearer token for /metrics; none: only this machine may ask"
    )


class Objectives(BaseModel):
    """What is promised of the whole; alerts burn its error budget, and `triage slo` says what is left of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    completeness: float = Field(default=0.999, ge=0.9, lt=1, description="the share of ended runs that are not dead")
    freshness: float = Field(default=0.99, ge=0.9, lt=1, description="the share of done runs that were done in time")
    within: timedelta = Field(default=timedelta(minutes=15), description="this time, from a run's creation")
    window: timedelta = Field(default=timedelta(days=30), ge=timedelta(days=7), le=timedelta(days=90))

    @model_validator(mode="after")
    def _measurable(self) -> Self:
        if self.within.total_seconds() not in FRESH_EDGES:
            raise ValueError(f"within must be one of these (seconds): {', '.join(map(str, FRESH_EDGES))}")
        fastest = burns.factor(burns.FASTEST, self.window) * (1 - min(self.completeness, self.freshness))
        if fastest >= 1:
            raise ValueError("with so low a target and so long a window the fastest alert could never fire")
        return self


class Alerts(BaseModel):
    """What the generated alerts say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    runbook: Annotated[str, Field(min_length=1, max_length=500, description="where the runbook can be read")] = (
        "deploy/runbook.md"
    )


class Webhook(BaseModel):
    """Who is told what became of runs, as Standard Webhooks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$", description="what was told is kept by it")]
    url: Url
    secret: Annotated[SecretStr, Field(description="whsec_ and 24 to 64 bytes in base64; shown nowhere")]
    events: Annotated[tuple[Lifecycle, ...], Field(min_length=1)] = tuple(Lifecycle)

    @model_validator(mode="after")
    def _usable(self) -> Self:
        try:
            signer(f"webhook {self.name}", self.secret.get_secret_value())
            Address.parse(self.url)
        except errors.InvalidSetting as error:
            raise ValueError(str(error)) from None
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
    tracker: TrackerSettings = local.Settings()
    notifier: NotifierSettings = local.Settings()
    escalation: NotifierSettings | None = Field(default=None, description="the second notice, of bad reports")
    escalation_from: Annotated[Severity, Field(description="the severity from which it is sent")] = Severity.CRITICAL
    calendar: CalendarSettings | None = Field(default=None, description="where slots for reviews are blocked")
    review: Review = Review()
    shadow_tracker: TrackerSettings | None = Field(default=None, description="gets the same tickets, for comparison")
    learned: Path | None = Field(
        default=None, description="a file of `triage learn --out`, which wins; none: the stored model that is in use"
    )
    llm: LlmSettings | None = Field(default=None, description="a model to ask where nothing else decides")
    duplicates: DuplicateSettings = DuplicateSettings()
    candidate: CandidateSettings | None = Field(
        default=None, description="another way to decide, tried on a share of the runs"
    )
    policy: Path | None = Field(default=None, description="a policy file; none: the shipped policy")
    egress_allow: tuple[str, ...] = Field(
        default=(), description="private hosts, addresses and networks that tools and models may be at"
    )
    egress_only: tuple[str, ...] = Field(default=(), description="if any are named, nothing else may be reached")
    attempts: Annotated[int, Field(ge=1, le=1_000)] = 20
    slots: Annotated[int, Field(ge=1, le=1_000, description="runs that one worker process works on at once")] = 32
    database_connections: Annotated[int, Field(ge=2, le=100)] = 10
    queue_low: Annotated[int, Field(ge=1, le=100_000, description="the relay fills a queue shorter than this")] = 200
    queue_high: Annotated[int, Field(ge=1, le=100_000, description="and never beyond this")] = 600
    console: Console = Console()
    objectives: Objectives = Objectives()
    alerts: Alerts = Alerts()
    webhooks: Annotated[tuple[Webhook, ...], Field(max_length=8, description="who is told what became of runs")] = ()
    log_format: Literal["console", "json"] = "console"

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.queue_low > self.queue_high:
            raise ValueError("queue_low must not be above queue_high")
        if self.database_url and not self.database_url.get_secret_value().startswith("postgresql+psycopg://"):
            raise ValueError("database_url must start with postgresql+psycopg://")
        if len({one.name for one in self.webhooks}) < len(self.webhooks):
            raise ValueError("two webhooks have the same name")
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


def secrets(settings: BaseModel) -> frozenset[str]:
    """The values of all settings that must not be shown."""
    found: set[str] = set()
    for value in dict(settings).values():
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, SecretStr):
                found.add(one.get_secret_value())
            elif isinstance(one, BaseModel):
                found |= secrets(one)
    return frozenset(found)


def _refuse_unknown() -> None:
    """A misspelt variable would otherwise be ignored in silence."""
    known = {name.upper() for name in Settings.model_fields}
    for variable in os.environ:
        if variable.startswith(PREFIX) and variable.removeprefix(PREFIX).split("__")[0].upper() not in known:
            raise errors.InvalidSetting(f"{variable} is not a setting; there are: {', '.join(sorted(known))}")


def _explain(error: pydantic.ValidationError) -> str:
    return "; ".join(_explain_one(found) for found in error.errors(include_url=False, include_input=False))


def _explain_one(found: ErrorDetails) -> str:
    parts = [str(part) for part in found["loc"]]
    if len(parts) > 1 and parts[0] in TOOLS:
        del parts[1]  # the tool's kind, which pydantic puts in between
    if found["type"] == "union_tag_invalid":
        parts.append("kind")
    name, variable = ".".join(parts), PREFIX + "__".join(part.upper() for part in parts)
    where = f"setting {name} (in {FILE}, or {variable})" if name else "settings"
    return f"{where}: {found['msg']}"
