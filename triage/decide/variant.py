"""Another way to decide, as settings: what it has of its own; all else is as it is set for the current one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import pydantic
from pydantic import Field, model_validator

from triage import errors
from triage.decide.llm.settings import LlmSettings, ModelChoice
from triage.model import Name, Record

R = TypeVar("R", bound=Record)
PARTS = ("rules", "learned", "model", "prompt")
"""What can be given in words, as `PART=VALUE`."""


class Variant(Record):
    """`model` is `PROVIDER:MODEL`, asked alone and with the set model's other settings where its provider is the same.

    `learned` is a model file, or the version of a stored one. `prompt` is a folder with other versions of our prompts.
    """

    rules: Path | None = None
    learned: Annotated[str, Field(min_length=1)] | None = None
    model: Annotated[str, Field(pattern=r"^[a-z]+:.+$", max_length=200)] | None = None
    llm: LlmSettings | None = None
    prompt: Path | None = None

    @model_validator(mode="after")
    def _one_model(self) -> Self:
        if self.model is not None and self.llm is not None:
            raise ValueError("give either model or llm")
        return self

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        """From `PART=VALUE`; raises InvalidSetting for what is none."""
        pairs = [text.partition("=") for text in words]
        for part, _, text in pairs:
            if part not in PARTS or not text:
                raise errors.InvalidSetting(f"{part}={text}: must be one of {', '.join(f'{name}=…' for name in PARTS)}")
        return _validated(cls, {part: text for part, _, text in pairs})

    def llm_beside(self, current: LlmSettings | None) -> LlmSettings | None:
        """What this way asks a model with, given what the current one does; None: no model.

        Raises:
            InvalidSetting: no such model, or other prompts where no model is asked.
        """
        found = self.llm or current
        if self.model is not None:
            found = _with_model(found, *self.model.split(":", 1))
        if self.prompt is None:
            return found
        if found is None:
            raise errors.InvalidSetting(f"prompt={self.prompt}: no model is set that could be asked with it")
        return _validated(LlmSettings, dict(found) | {"prompts": self.prompt})

    @property
    def told(self) -> dict[str, str]:
        """Its own parts, in words."""
        parts = {name: getattr(self, name) for name in PARTS}
        parts["model"] = parts["model"] or (self.llm and self.llm.model.name)
        return {name: str(value) for name, value in parts.items() if value is not None}


class CandidateSettings(Variant):
    """A way to decide that is tried on a share of the runs, chosen by their keys: always the same ones.

    As a `canary` it decides them; as a `shadow` it is asked as well, and what it says is only kept.
    """

    name: Name
    mode: Literal["canary", "shadow"] = "shadow"
    share: Annotated[float, Field(ge=0, le=1)] = 0.1

    @model_validator(mode="after")
    def _differs(self) -> Self:
        if not self.told:
            raise ValueError("a candidate needs rules, learned, model, llm or prompt of its own")
        return self


def _with_model(current: LlmSettings | None, provider: str, name: str) -> LlmSettings:
    same = current is not None and current.model.provider == provider
    before = dict(current.model) if current is not None and same else {"provider": provider}
    choice = _validated(ModelChoice, before | {"model": name})
    return _validated(LlmSettings, (dict(current) if current else {}) | {"model": choice, "fallback": None})


def _validated(kind: type[R], fields: dict[str, Any]) -> R:
    try:
        return kind.model_validate(fields)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise errors.InvalidSetting(f"{where or kind.__name__}: {first['msg'].removeprefix('Value error, ')}") from None
