"""A closed report with what people said that it was."""

import hashlib
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class LabelledReport:
    """`created` is aware, or None where it is not known."""

    label: str
    title: str
    body: str = ""
    created: datetime | None = None

    @property
    def same(self) -> bytes:
        """Equal for reports that differ in blanks and case only (16 bytes)."""
        text = " ".join(f"{self.title}\n{self.body}".casefold().split())
        return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()
