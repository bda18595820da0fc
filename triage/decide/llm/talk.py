"""One conversation with one model: a request, and at most two more after answers that do not fit.

An answer that does not fit is not sent back: the next request says in our own words which fields were wrong. So all
requests have the same bounded size, and nothing that a model was made to say comes to speak a second time.
"""

from functools import cache
from typing import Any, Literal

import pydantic
from pydantic_ai import direct
from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart, ToolCallPart, UserPromptPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.usage import RequestUsage

from triage import clock
from triage.decide.llm import clients, trouble
from triage.decide.llm.answer import Answer
from triage.decide.llm.meter import TRIES, Count
from triage.decide.llm.prompts import Prompt
from triage.decide.llm.settings import ModelChoice
from triage.decide.prices import Tokens

NAME = "answer"
AGAIN = "An answer to this was not usable: {wrong}. Answer with exactly the fields that you are given."
NO_OBJECT = "it was not the object that was asked for"
ENDS = {"content_filter": "the model refused", "length": "the answer was cut off at max_output"}


async def talk(
    model: Model[Any], choice: ModelChoice, prompt: Prompt, wanted: type[Answer], count: Count, until: float
) -> Answer:
    """The first answer that fits. `count` gets the tokens of each; `until` is in seconds of `clock.now()`.

    Raises:
        Useless: none fitted, or the model refused.
        ToolError: see `trouble`.
    """
    wrong = ""
    for _ in range(TRIES):
        try:
            response = await _request(model, choice, prompt, wanted, wrong, until)
        except Exception as error:
            known = trouble.translated(error, choice.name)
            raise known or error from error
        count.tokens.append(_tokens(response.usage))
        if response.finish_reason in ENDS:
            raise trouble.Useless(f"{choice.name}: {ENDS[response.finish_reason]}", False)
        try:
            return _read(response, wanted)
        except ValueError as error:
            wrong = _complaint(error)
    raise trouble.Useless(f"{choice.name}: {TRIES} answers were not usable; of the last, {wrong}", False)


async def _request(
    model: Model[Any], choice: ModelChoice, prompt: Prompt, wanted: type[Answer], wrong: str, until: float
) -> ModelResponse:
    parts = [UserPromptPart(text) for text in (prompt.text, wrong and AGAIN.format(wrong=wrong)) if text]
    settings = ModelSettings(max_tokens=choice.max_output, timeout=max(until - clock.now(), 0.1))
    if choice.provider in {"google", "mistral"}:
        settings["max_retries"] = 0  # the others' clients are built without retries
    clients.allow_one()
    return await direct.model_request(
        model,
        [ModelRequest(parts, instructions=prompt.instructions)],
        model_settings=settings,
        model_request_parameters=_parameters(wanted, choice.output),
    )


@cache
def _parameters(wanted: type[Answer], output: Literal["tool", "native", "prompted"]) -> ModelRequestParameters:
    schema = wanted.model_json_schema()
    fields = {name: {key: part[key] for key in part if key != "title"} for name, part in schema["properties"].items()}
    wish = {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}
    if output == "tool":
        tool = ToolDefinition(name=NAME, parameters_json_schema=wish, description="Say what it is.", kind="output")
        return ModelRequestParameters(output_mode="tool", output_tools=[tool], allow_text_output=False)
    return ModelRequestParameters(output_mode=output, output_object=OutputObjectDefinition(json_schema=wish, name=NAME))


def _read(response: ModelResponse, wanted: type[Answer]) -> Answer:
    """Raises ValueError for what is no such object."""
    for part in response.parts:
        if isinstance(part, ToolCallPart) and part.tool_name == NAME:
            return wanted.model_validate_json(part.args_as_json_str())
    text = "".join(part.content for part in response.parts if isinstance(part, TextPart))
    return wanted.model_validate_json(text.strip().removeprefix("```json").removesuffix("```"))


def _complaint(error: ValueError) -> str:
    """Our own words only."""
    if not isinstance(error, pydantic.ValidationError):
        return NO_OBJECT
    found = {str(one["loc"][0]) for one in error.errors(include_url=False, include_input=False) if one["loc"]}
    return f"not as asked: {', '.join(sorted(found))}" if found else NO_OBJECT


def _tokens(usage: RequestUsage) -> Tokens | None:
    """None if the provider did not say."""
    if usage.unmeasured_requests or min(usage.input_tokens, usage.output_tokens) < 1:
        return None
    return Tokens(
        usage.input_tokens,
        usage.output_tokens,
        cached=usage.cache_read_tokens,
        written=usage.cache_write_tokens,
        reasoning=usage.output_reasoning_tokens,
    )
