"""What a model may answer: one object, whose type is made for the question, so that nothing else can get through."""

from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any, Literal, TypeAlias, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, create_model

from triage.decide.llm.prompts import alias
from triage.text.neutral import tame
from triage.text.secrets import mask

NOTE_CHARS = 300


def _noted(note: object) -> object:
    """A note that is too long is cut: asking again for a shorter one would only cost."""
    return note[: 4 * NOTE_CHARS] if isinstance(note, str) else note


def _plain(note: str) -> str:
    """One line in which nothing calls anybody or leads anywhere."""
    return tame(mask(note))[:NOTE_CHARS].strip()


Note: TypeAlias = Annotated[str, BeforeValidator(_noted), AfterValidator(_plain)]


class Answer(BaseModel):
    """The fields that every answer has; `answer_type` narrows `kind` and adds `duplicate_of`."""

    # What else a model says is dropped: to complain of each field would cost more than the answer.
    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    kind: str
    confidence: Annotated[float, Field(ge=0, le=1)]
    note: Note

    @property
    def duplicate(self) -> str | None:
        """The alias of the candidate that is the same, if there were any."""
        return getattr(self, "duplicate_of", None)


@cache
def answer_type(kinds: tuple[str, ...], candidates: int) -> type[Answer]:
    """An `Answer` whose kind is one of these, and whose duplicate, if there are candidates, is one of them or none."""
    fields: dict[str, Any] = {"kind": (_one_of(kinds), ...)}
    if candidates:
        names = _one_of([alias(number) for number in range(1, candidates + 1)])
        fields["duplicate_of"] = (names | None, None)
    return cast(type[Answer], create_model("Answer", __base__=Answer, **fields))


def _one_of(words: Sequence[str]) -> Any:  # noqa: ANN401 - a type made at run time
    return Literal[tuple(words)]
