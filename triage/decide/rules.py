"""Rules as data: a TOML file of conditions and results, read once; the first rule that matches decides.

    default_route = "triage"
    ignore = ["crash course"]            # phrases that no rule's words see

    [routes.severity]                    # optional; a rule's own route and its component's go first
    critical = "on-call"

    [[rules]]
    name = "crash"
    words = ["crash", "force closes"]    # any of these, as whole words in any case
    kind = "crash"
    severity = "high"
    reason = "The text says that the program ends by itself."

All conditions that a rule gives must hold. Deciding is pure: no clock, no I/O, the same decision for the same report.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

import pydantic
from pydantic import AfterValidator, BeforeValidator, Field

from triage import datafile, errors, model

DEFAULT_RULES = Path(__file__).with_name("default_rules.toml")
BODY_CHARS = 20_000
"""How much of a body the rules read, so that a huge one costs milliseconds at most."""
TITLE_CHARS = 500
SUMMARY_CHARS = 300
TENTATIVE = 0.5
"""The confidence of a tentative rule."""
UNDECIDED_LABEL = "needs-triage"
VERSION_DIGITS = 12

_KINDS = {kind.value: kind for kind in model.Kind}

# An apostrophe inside a word belongs to it. Ends of sentences and paragraphs are tokens, so no phrase spans them.
_TOKEN = re.compile(r"\w+(?:'\w+)*|[.!?;](?=\s)|\n\r?\n")


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text.casefold().replace("\u2019", "'"))


def _padded(tokens: list[str]) -> str:
    """Each token between spaces of its own, so that a phrase is found by `in` and only as whole words."""
    return f" {'  '.join(tokens)} "


def _phrase(text: str) -> str:
    """One entry of a word list in the form that is searched for."""
    if not re.fullmatch(r"\w(?:.*\w)?", text.strip(), re.DOTALL):
        raise ValueError(f"{text!r} does not start and end with a letter or digit; use `pattern` for it")
    return _padded(_tokens(text))


def _said(text: str) -> str:
    if not (stripped := text.strip()):
        raise ValueError("is empty")
    return stripped


def _compiled(pattern: object) -> re.Pattern[str]:
    if not isinstance(pattern, str) or not pattern:
        raise ValueError("should be a regular expression, as a string")
    try:
        return re.compile(pattern, re.MULTILINE)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"is not a regular expression: {error}") from None


FieldName: TypeAlias = Literal["title", "body", "reporter", "url", "labels"]
Phrases: TypeAlias = Annotated[tuple[Annotated[str, AfterValidator(_phrase)], ...], Field(min_length=1, max_length=500)]
Pattern: TypeAlias = Annotated[re.Pattern[str], BeforeValidator(_compiled)]
Said: TypeAlias = Annotated[model.Text, AfterValidator(_said)]
Route: TypeAlias = Annotated[Said, Field(max_length=200)]
Label: TypeAlias = Annotated[Said, Field(max_length=64)]
Sentence: TypeAlias = Annotated[Said, Field(max_length=500)]


@dataclass(frozen=True, slots=True)
class _Text:
    """Some fields of a report: as they are for patterns, as padded tokens for phrases, and which tokens there are."""

    raw: str
    padded: str
    tokens: frozenset[str]

    @classmethod
    def of(cls, raw: str, ignore: "_WordList") -> Self:
        tokens = _tokens(raw)
        text = cls(raw, _padded(tokens), frozenset(tokens))
        # Longest first: phrases can overlap, and the order of a set is another one in every process.
        for phrase in sorted(ignore.found_in(text), key=lambda phrase: (-len(phrase), phrase)):
            text = replace(text, padded=text.padded.replace(phrase, " . "))
        return text


class _WordList:
    """Phrases by their longest, so mostly rarest, word: one set operation rules most of them out, which is fast."""

    def __init__(self, phrases: Iterable[str]) -> None:
        self._by_word: dict[str, list[str]] = {}
        for phrase in phrases:
            self._by_word.setdefault(max(phrase.split(), key=len), []).append(phrase)
        self._words = frozenset(self._by_word)

    def found_in(self, text: _Text) -> Iterator[str]:
        for word in self._words & text.tokens:
            yield from (phrase for phrase in self._by_word[word] if phrase in text.padded)


class Rule(model.Record):
    """Conditions (all that are given must hold; a list means any of it) and what the decision is then.

    `pattern` distinguishes case unless it starts with `(?i)`; `^` and `$` match at each line. It comes from whoever
    runs the product, so it is trusted not to backtrack without end; only the text it sees is bounded.
    """

    name: model.Name

    source: Annotated[tuple[model.Name, ...], Field(min_length=1)] | None = None
    report_kind: Annotated[tuple[model.Name, ...], Field(min_length=1)] | None = Field(
        default=None, description="the report's own kind, as the source calls it"
    )
    report_labels: Annotated[tuple[Label, ...], Field(min_length=1)] | None = Field(
        default=None, description="labels that the report came with, in any case"
    )
    words: Phrases | None = Field(default=None, description="whole words or phrases, in any case; any of them")
    all_words: Phrases | None = Field(default=None, description="like `words`, but each of them")
    pattern: Pattern | None = None
    fields: Annotated[tuple[FieldName, ...], Field(min_length=1)] = ("title", "body")

    kind: model.Kind
    severity: model.Severity
    component: Annotated[Said, Field(max_length=64)] = ""
    route: Route | None = None
    labels: Annotated[tuple[Label, ...], Field(max_length=20)] = ()
    reason: Sentence
    tentative: bool = Field(default=False, description="decides only what nothing else does: a guess from a few words")

    @property
    def confidence(self) -> float:
        """1 for what its owner wants in any case; of a guess nobody has measured how often it is right."""
        return TENTATIVE if self.tentative else 1.0

    @property
    def unconditional(self) -> bool:
        """Whether it matches every report."""
        conditions = (self.source, self.report_kind, self.report_labels, self.words, self.all_words, self.pattern)
        return all(condition is None for condition in conditions)

    def matches(self, report: model.Report, text: Callable[[tuple[FieldName, ...]], _Text]) -> bool:
        """Whether all given conditions hold; `text` gives the fields that the rule looks at."""
        return self._fits_origin(report) and self._fits_text(text(self.fields))

    def _fits_origin(self, report: model.Report) -> bool:
        return (
            (self.source is None or report.source in self.source)
            and (self.report_kind is None or report.kind in self.report_kind)
            and (self._folded_labels is None or not self._folded_labels.isdisjoint(map(str.casefold, report.labels)))
        )

    def _fits_text(self, text: _Text) -> bool:
        return (
            (self._word_list is None or any(self._word_list.found_in(text)))
            and all(phrase in text.padded for phrase in self.all_words or ())
            and (self.pattern is None or self.pattern.search(text.raw) is not None)
        )

    @cached_property
    def _folded_labels(self) -> frozenset[str] | None:
        return None if self.report_labels is None else frozenset(map(str.casefold, self.report_labels))

    @cached_property
    def _word_list(self) -> _WordList | None:
        return None if self.words is None else _WordList(self.words)


class Routes(model.Record):
    """Whom to tell when the rule itself does not say: by component, else by severity."""

    component: dict[str, Route] = Field(default_factory=dict)
    severity: dict[model.Severity, Route] = Field(default_factory=dict)


class Rules(model.Record):
    """A whole rule file; a `ports.Decider`."""

    default_route: Route
    routes: Routes = Routes()
    ignore: Phrases | None = Field(default=None, description="phrases taken out before any word list is looked up")
    rules: Annotated[tuple[Rule, ...], Field(max_length=1_000)] = ()

    @pydantic.model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [rule.name for rule in self.rules]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two rules are named {twice[0]!r}")
        return self

    @pydantic.model_validator(mode="after")
    def _every_rule_is_reachable(self) -> Self:
        for rule in self.rules[:-1]:
            if rule.unconditional:
                raise ValueError(f"rule {rule.name!r} has no condition, so no rule after it can match; put it last")
        return self

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Read a rule file; the shipped one without a path.

        Raises `InvalidSetting`, naming the file, the rule and the field, when it cannot be read or breaks a bound.
        """
        path = path or DEFAULT_RULES
        fields = datafile.read(path)
        try:
            return cls.model_validate(fields)
        except pydantic.ValidationError as error:
            raise errors.InvalidSetting(f"{path}: {_first_problem(error, fields)}") from None

    def match(self, report: model.Report) -> Rule | None:
        """Find the rule that decides this report, or None."""
        text = cache(lambda fields: _Text.of(_raw(report, fields), self._ignored))
        return next((rule for rule in self.rules if rule.matches(report, text)), None)

    def decide(self, report: model.Report, claim: model.Claim | None = None) -> model.Decision:  # noqa: ARG002 - is free
        """Decide any report; what no rule matches is left to a person, under the label `needs-triage`."""
        rule = self.match(report)
        return self._undecided(report) if rule is None else self._decided(report, rule)

    def _decided(self, report: model.Report, rule: Rule) -> model.Decision:
        return model.Decision(
            kind=rule.kind,
            severity=rule.severity,
            component=rule.component,
            title=_shorten(report.title, TITLE_CHARS),
            summary=_shorten(report.body, SUMMARY_CHARS),
            labels=rule.labels,
            route=rule.route or self._route(rule.component, rule.severity),
            decided_by="rules",
            reason=f"Rule {rule.name}: {rule.reason}",
            confidence=rule.confidence,
        )

    def _undecided(self, report: model.Report) -> model.Decision:
        return model.Decision(
            kind=_KINDS.get(report.kind, model.Kind.BUG),
            severity=model.Severity.MEDIUM,
            title=_shorten(report.title, TITLE_CHARS),
            summary=_shorten(report.body, SUMMARY_CHARS),
            labels=(UNDECIDED_LABEL,),
            route=self._route("", model.Severity.MEDIUM),
            decided_by="nobody",
            reason="no rule matched",
            confidence=0.0,
        )

    @cached_property
    def all_routes(self) -> frozenset[str]:
        """Every route that a decision of these rules may name."""
        own = {rule.route for rule in self.rules if rule.route}
        return frozenset({self.default_route, *self.routes.component.values(), *self.routes.severity.values(), *own})

    @cached_property
    def all_labels(self) -> frozenset[str]:
        """Every label that a decision of these rules may give."""
        return frozenset({UNDECIDED_LABEL, *(label for rule in self.rules for label in rule.labels)})

    @cached_property
    def version(self) -> str:
        """`rules@` and the beginning of the SHA-256 of what the file says, the same however it is written."""
        return f"rules@{model.digest(self.model_dump(mode='json')).hex()[:VERSION_DIGITS]}"

    @cached_property
    def _ignored(self) -> _WordList:
        return _WordList(self.ignore or ())

    def _route(self, component: str, severity: model.Severity) -> str:
        by_severity = self.routes.severity.get(severity, self.default_route)
        return self.routes.component.get(component, by_severity)


def _raw(report: model.Report, fields: tuple[FieldName, ...]) -> str:
    # Paragraphs of their own, so that no phrase spans two fields.
    return "\n\n".join(_field(report, field) for field in fields)


def _field(report: model.Report, field: FieldName) -> str:
    value: str | tuple[str, ...] = getattr(report, field)
    return value[:BODY_CHARS] if isinstance(value, str) else "\n\n".join(value)


def _shorten(text: str, limit: int) -> str:
    """At most `limit` characters in one line, cut between words where there is a gap in the second half."""
    line = " ".join(text.split(maxsplit=limit)[:limit])
    if len(line) <= limit:
        return line
    gap = line.rfind(" ", limit // 2, limit)
    return line[: gap if gap > 0 else limit - 1] + "…"


def _first_problem(error: pydantic.ValidationError, fields: dict[str, Any]) -> str:
    """Say which bound broke first, with the rule's name instead of its number."""
    first = error.errors(include_url=False, include_input=False)[0]
    problem = first["msg"].removeprefix("Value error, ")
    match first["loc"]:
        case ("rules", int(index), *rest):
            where = [f"rule {_rule_name(fields['rules'][index], index)}", *map(str, rest[:1])]
        case loc:
            where = [".".join(map(str, loc))] if loc else []
    return ": ".join([", ".join(where), problem] if where else [problem])


def _rule_name(rule: object, index: int) -> str:
    name = rule.get("name") if isinstance(rule, dict) else None
    return repr(name) if isinstance(name, str) else f"number {index + 1}"
