"""How the tool server behaves when no fault is chosen."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """All times are in seconds.

    `delay` is how long each call takes before it commits; `read_timeout` is after what time a request that has not
    wholly arrived is given up; `index_lag` is how long a `findable` object cannot be found yet; `key_window` is how
    long a `windowed` endpoint keeps a key. `repeat_status` is what a repeated key is answered with (200 or 409), and
    `find_all` makes the look-up ignore the marker and return everything, as some real systems do.
    """

    delay: float = 0.0
    read_timeout: float = 5.0
    index_lag: float = 0.0
    key_window: float = 86_400.0
    repeat_status: int = 200
    find_all: bool = False
