"""The words of the providers: how each is asked for an object, and how each answers.

OpenAI's chat completions, which Mistral, Ollama and many others speak nearly alike; Anthropic's messages; Google's
`generateContent`.
"""

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal, TypeAlias, cast

from triage.testing.wire import Arrival

Json: TypeAlias = dict[str, Any]
Usage: TypeAlias = tuple[int, int, int]
"""Input, output and cached tokens."""
End: TypeAlias = Literal["finished", "refused", "cut"]
"""How an answer ends; `cut`: at the bound that was set for it."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """`said` makes an answer of what was asked, an object or words, its usage and its end."""

    said: Callable[[Json, Json | str, Usage, End], Json]
    failed: Callable[[HTTPStatus, str], Json]


def spoken(arrival: Arrival) -> Dialect:
    """The dialect of who asks."""
    if arrival.path.endswith(":generateContent"):
        return GOOGLE
    if not arrival.path.endswith("chat/completions"):
        return ANTHROPIC
    return MISTRAL if "mistral" in arrival.headers.get("user-agent", "") else OPENAI


def fitting(asked: Json) -> Json:
    """An object that fits: the first of each choice, 0.9 for a number, a few words for a text."""
    return {name: _value(part) for name, part in _schema(asked).get("properties", {}).items()}


def _schema(asked: Json) -> Json:
    """The schema of the object that was asked for, in any provider's words."""
    for tool in asked.get("tools") or ():
        (declared,) = tool.get("functionDeclarations") or [tool.get("function") or tool]
        return cast(Json, _first(declared, "parameters_json_schema", "parameters", "input_schema"))
    wanted: Json = asked.get("response_format") or (asked.get("output_config") or {}).get("format") or {}
    google = (asked.get("generationConfig") or {}).get("responseJsonSchema")
    return cast(Json, google or wanted.get("json_schema", wanted).get("schema")) or _described(asked)


def _first(found: Json, *names: str) -> object:
    return next(found[name] for name in names if name in found)


def _described(asked: Json) -> Json:
    """The schema that stands in the words of the request, where the provider knows no better way."""
    for text in _texts(asked):
        for start in (place for place, char in enumerate(text) if char == "{"):
            with contextlib.suppress(ValueError):
                found = json.JSONDecoder().raw_decode(text[start:])[0]
                return cast(Json, found)
    return {}


def _texts(asked: Json) -> Iterator[str]:
    yield str(asked.get("system", ""))
    yield from (part["text"] for part in asked.get("systemInstruction", {}).get("parts", ()))
    yield from (str(message["content"]) for message in asked.get("messages", ()))


def _value(part: Json) -> object:
    choices: Iterable[Json] = part.get("anyOf", ())
    if any(choice.get("type") == "null" for choice in choices):
        return None
    if "enum" in part:
        return part["enum"][0]
    return part.get("const", 0.9 if part.get("type") == "number" else "as scripted")


def _openai(asked: Json, answer: Json | str, usage: Usage, end: End) -> Json:
    tools = asked.get("tools")
    message: Json = {"role": "assistant", "content": answer if isinstance(answer, str) else None}
    if end == "refused":
        message |= {"content": None, "refusal": answer}
    elif isinstance(answer, dict) and tools:
        call = {"name": tools[0]["function"]["name"], "arguments": json.dumps(answer)}
        message["tool_calls"] = [{"id": "call_1", "type": "function", "function": call}]
    elif isinstance(answer, dict):
        message["content"] = json.dumps(answer)
    reason = "length" if end == "cut" else "tool_calls" if "tool_calls" in message else "stop"
    sent, received, cached = usage
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": asked.get("model", ""),
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {
            "prompt_tokens": sent,
            "completion_tokens": received,
            "total_tokens": sent + received,
            "prompt_tokens_details": {"cached_tokens": cached},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }


def _mistral(asked: Json, answer: Json | str, usage: Usage, end: End) -> Json:
    """It knows no refusal: the model says so in words."""
    said = _openai(asked, answer, usage, "cut" if end == "cut" else "finished")
    sent, received, cached = usage
    tokens = {"prompt_tokens": sent, "completion_tokens": received, "total_tokens": sent + received}
    return said | {"id": "cmpl-1", "usage": tokens | ({"num_cached_tokens": cached} if cached else {})}


def _anthropic(asked: Json, answer: Json | str, usage: Usage, end: End) -> Json:
    tools = asked.get("tools")
    if isinstance(answer, dict) and tools:
        content: Json = {"type": "tool_use", "id": "toolu_1", "name": tools[0]["name"], "input": answer}
    else:
        content = {"type": "text", "text": answer if isinstance(answer, str) else json.dumps(answer)}
    sent, received, cached = usage
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": asked.get("model", ""),
        "content": [content],
        "stop_reason": {"refused": "refusal", "cut": "max_tokens"}.get(end) or ENDED[content["type"]],
        "stop_sequence": None,
        "usage": {
            "input_tokens": sent - min(cached, sent),
            "output_tokens": received,
            "cache_read_input_tokens": cached,
            "cache_creation_input_tokens": 0,
        },
    }


ENDED = {"tool_use": "tool_use", "text": "end_turn"}


def _google(asked: Json, answer: Json | str, usage: Usage, end: End) -> Json:
    """A refusal is a candidate without a word; what is cut off offers to be gone on with in another request."""
    part: Json = {"text": answer if isinstance(answer, str) else json.dumps(answer)}
    if isinstance(answer, dict) and asked.get("tools"):
        part = {"functionCall": {"name": asked["tools"][0]["functionDeclarations"][0]["name"], "args": answer}}
    candidate: Json = {"index": 0, "content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}
    if end == "refused":
        candidate = {"index": 0, "finishReason": "SAFETY"}
    elif end == "cut":
        candidate |= {"finishReason": "CONTINUATION", "continuationToken": "Z28gb24="}
    sent, received, cached = usage
    return {
        "candidates": [candidate],
        "usageMetadata": {
            "promptTokenCount": sent,
            "candidatesTokenCount": received,
            "totalTokenCount": sent + received,
            **({"cachedContentTokenCount": cached} if cached else {}),
        },
        "modelVersion": "gemini-2.5-flash",
        "responseId": "resp-1",
    }


def _error(_: HTTPStatus, kind: str) -> Json:
    """OpenAI's and Anthropic's names of the fields together."""
    return {"type": "error", "error": {"type": kind, "code": kind, "message": f"scripted: {kind}"}}


def _error_of_google(status: HTTPStatus, kind: str) -> Json:
    return {"error": {"code": status.value, "message": f"scripted: {kind}", "status": kind.upper()}}


def _error_of_mistral(_: HTTPStatus, kind: str) -> Json:
    return {"object": "error", "message": f"scripted: {kind}", "type": kind, "param": None, "code": "1300"}


OPENAI = Dialect(_openai, _error)
MISTRAL = Dialect(_mistral, _error_of_mistral)
ANTHROPIC = Dialect(_anthropic, _error)
GOOGLE = Dialect(_google, _error_of_google)
