"""The set-up of logs for one process: our records and those of libraries alike, bounded and without secrets."""

import logging
import sys
from collections.abc import Collection
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from triage import tracing
from triage.text.neutral import clean
from triage.text.secrets import mask

LONGEST = 2_000
"""Characters of one field."""
LONGEST_TRACEBACK = 20_000
TRACEBACK = "exception"
SHORTEST_SECRET = 6
"""Characters; a shorter setting is no secret, and would be starred out of ordinary words."""
STARS = "***"
CHATTY = ("celery.worker.strategy", "celery.app.trace", "httpx2")
"""One line a stage is enough, and it is ours."""


def set_up(form: str, level: int = logging.INFO, secrets: Collection[str] = ()) -> None:
    """Write to standard error: `console` for people, `json` for machines.

    Every record has the ids of its run and stage, and of its trace where there is one. Values of settings that are
    `secrets` are starred out everywhere; where something went wrong, or for DEBUG, whatever looks like one.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _with_trace,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    last = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_render(form, secrets)]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=last))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def _render(form: str, secrets: Collection[str]) -> list[Processor]:
    last: Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    return [structlog.processors.format_exc_info, Discreet(secrets), last]


def _with_trace(_logger: Any, _name: str, event: EventDict) -> EventDict:  # noqa: ANN401 - structlog's signature
    found = tracing.trace_id()
    if found is not None:
        event["trace"] = found
    return event


class Discreet:
    """A processor that cuts what is long and stars out what is secret."""

    def __init__(self, secrets: Collection[str]) -> None:
        """`secrets` are the values of settings."""
        self._secrets = sorted((one for one in secrets if len(one) >= SHORTEST_SECRET), key=len, reverse=True)

    def __call__(self, _logger: Any, _name: str, event: EventDict) -> EventDict:  # noqa: ANN401
        """Look at every field; the detector is asked only where something quotes the outside."""
        quotes = event.get("level") != "info"
        return {
            name: self._shown(value, LONGEST_TRACEBACK if name == TRACEBACK else LONGEST, quotes=quotes)
            for name, value in event.items()
        }

    def _shown(self, value: object, longest: int, *, quotes: bool) -> object:
        if value is None or isinstance(value, (bool, int, float)):
            return value
        text = str(value)[: 2 * longest]
        for secret in self._secrets:
            text = text.replace(secret, STARS)
        text = mask(clean(text)) if quotes else text
        return text if len(text) <= longest else f"{text[: longest - 1]}…"
