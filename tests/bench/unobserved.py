"""The product's workers without logs and without the tally, to see what these cost. Only for `make bench`."""

import logging

from triage.store.tally import Tally
from workers.app import app

__all__ = ["app"]

logging.disable(logging.CRITICAL)
Tally.roll = lambda _self: None
