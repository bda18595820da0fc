"""What happened, in sentences for people: to one run, or in a time. `triage explain` and the console tell the same."""

from triage.story.run import Sentence, sentences, summary
from triage.story.span import Answer, Line, answer

__all__ = ["Answer", "Line", "Sentence", "answer", "sentences", "summary"]
