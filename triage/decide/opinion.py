"""What one step of the cascade says about a report. A step that has nothing to say returns None: it passes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Opinion:
    """`confidence` (0 to 1) is how often such an opinion is right.

    `alternatives` are other kinds with their probabilities, likeliest first; `decided_by` is the step's name, `version`
    that of its rules or model, and `reason` is for people.

    Raises ValueError when a number is no probability.
    """

    kind: str
    confidence: float
    alternatives: tuple[tuple[str, float], ...]
    decided_by: str
    version: str
    reason: str

    def __post_init__(self) -> None:
        for kind, share in ((self.kind, self.confidence), *self.alternatives):
            if not 0 <= share <= 1:  # also what is no number at all
                raise ValueError(f"{kind}: {share} is not between 0 and 1")
