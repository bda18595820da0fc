"""What the settings of all tools share. Each adapter's module adds its own."""

from datetime import timedelta
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from triage.ports import Tool
from triage.tools.transport import Transport

Url: TypeAlias = Annotated[str, Field(pattern=r"^https?://[^\s]+[^/\s]$", max_length=2_000)]
"""The address of an installation, without a slash at its end."""


class ToolSettings(BaseModel):
    """A tool's kind and times."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    timeout: timedelta = Field(
        default=timedelta(seconds=10), gt=timedelta(), le=timedelta(minutes=5), description="of one call"
    )
    target: Annotated[str, Field(max_length=200, description="where it goes; none: the project or the route")] = ""
    dry_run: bool = Field(default=False, description="do everything but the call")
    routes: dict[str, str] = Field(default_factory=dict, description="the target for each route of a decision")

    def open(self, name: str, transport: Transport) -> Tool:
        """The tool that is set so, under this name; raises InvalidSetting."""
        raise NotImplementedError(f"{name}: {self.kind} is opened otherwise; {transport} is not used")

    def commenting(self, name: str, tracker: str, transport: Transport) -> Tool | None:  # noqa: ARG002 - most cannot
        """The tool that comments on the tickets of the tool `tracker`, which is set so; None if there is none."""
        return None


class TokenSettings(ToolSettings):
    """A tool that is called with a fixed token."""

    token: SecretStr = Field(description="shown nowhere")


class FindableSettings(ToolSettings):
    """A tool that is asked what happened, once it cannot happen any more."""

    quarantine: timedelta = Field(
        default=timedelta(minutes=2),
        gt=timedelta(),
        le=timedelta(hours=1),
        description="how long after a call's deadline it may still be committed, or not be found yet",
    )
