"""What a failed ask means, in the product's own errors."""

from datetime import timedelta

from pydantic_ai import exceptions as theirs

from triage import errors
from triage.decide.llm.clients import OneMore, TooLong
from triage.text.neutral import tame

LONGEST_RETRY_AFTER = timedelta(hours=1)
NOT_SENT_PHASES = ("pool", "connect")
BUSY = (theirs.ModelRateLimitError, theirs.ModelOverloadedError)
NO_ACCESS = (
    theirs.ModelAuthenticationError,
    theirs.ModelNotFoundError,
    theirs.ModelQuotaExceededError,
    theirs.UserError,  # such as an `output` that the model does not know
)
GONE = (
    theirs.ModelRequestTimeout,
    theirs.ModelConnectionError,
    theirs.ModelServerError,
    theirs.ModelUnavailableError,
)
REJECTED = theirs.ModelRequestRejectedError
USELESS = (theirs.UnexpectedModelBehavior, theirs.ModelAPIError)


class ModelBusy(errors.NotSent):
    """The provider wants nothing now (429, 529), or could not be reached: nothing was asked and nothing is owed."""


class ModelLost(errors.OutcomeUnknown):
    """Timeout, reset, 5xx: no answer came; whether it costs something is unknown. Asking again is harmless."""


class ModelDenied(errors.Refused):
    """The key, the model's name, its address or the account is wrong: a person has to mend the settings first."""


class Useless(errors.TriageError):
    """The model's last word is no answer (garbage, a refusal, a request that it does not take): a person decides.

    `owed` says whether a request may have to be paid that is in nobody's count.
    """

    def __init__(self, message: str, owed: bool) -> None:  # noqa: FBT001 - errors carry positional arguments
        super().__init__(message, owed)
        self.owed = owed

    def __str__(self) -> str:
        return str(self.args[0])


def translated(error: Exception, model: str) -> errors.TriageError | None:
    """The product's error for what happened; None for what is not expected here, which is a bug."""
    words = f"{model}: {_words(error)}"
    if refused := _cause(error, errors.Refused):
        return ModelDenied(f"{model}: {refused}")
    if isinstance(error, BUSY) or getattr(error, "phase", None) in NOT_SENT_PHASES:
        return ModelBusy(words, _wait(error))
    if isinstance(error, NO_ACCESS):
        return ModelDenied(words)
    if isinstance(error, GONE) and not (_cause(error, TooLong) or _cause(error, OneMore)):
        return ModelLost(words)
    if isinstance(error, USELESS):
        return Useless(words, not isinstance(error, REJECTED))  # the others were answered, in a way nobody could read
    return None


def _wait(error: Exception) -> timedelta | None:
    seconds = getattr(error, "retry_after", None)
    return None if seconds is None else min(timedelta(seconds=max(float(seconds), 0)), LONGEST_RETRY_AFTER)


def _cause(error: BaseException | None, kind: type[BaseException]) -> BaseException | None:
    while error is not None and not isinstance(error, kind):
        error = error.__cause__ or error.__context__
    return error


def _words(error: Exception) -> str:
    """One tame line; the provider's words may quote the report or the model."""
    return f"{type(error).__name__}: {tame(str(getattr(error, 'message', error))[:2_000])[:300]}"
