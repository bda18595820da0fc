"""The span of asking a model, by the conventions for generative AI, without a word of what was asked or answered."""

from contextlib import AbstractContextManager

from opentelemetry.trace import SpanKind

from triage import telemetry, tracing
from triage.model.money import Bill

MICRO = 1_000_000


def chat(model: str) -> AbstractContextManager[None]:
    """A span for one ask of a model that is named `provider:model`, with all its tries."""
    provider, _, name = model.partition(":")
    about = {
        telemetry.GEN_AI_OPERATION: telemetry.SPAN_CHAT,
        telemetry.GEN_AI_PROVIDER: provider,
        telemetry.GEN_AI_MODEL: name,
    }
    return tracing.child(f"{telemetry.SPAN_CHAT} {name}", SpanKind.CLIENT, about)


def billed(bill: Bill) -> None:
    """Say what it came to; the cost is in US dollars, which the conventions have no name for."""
    tracing.note(
        {
            telemetry.GEN_AI_INPUT: bill.input_tokens,
            telemetry.GEN_AI_OUTPUT: bill.output_tokens,
            telemetry.GEN_AI_CACHED: bill.cached_tokens,
            telemetry.GEN_AI_REASONING: bill.reasoning_tokens,
            telemetry.COST: bill.spent / MICRO,
        }
    )
