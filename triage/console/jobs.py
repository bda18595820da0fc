"""Doing something to many runs in the background, with progress.

Each run's change is one statement of its own, which recognises its own earlier success. A console that is killed in
the middle leaves every run either changed, with its event, or as it was; the rest of the job is not done, and the list
shows which runs those are. The progress is known to this process only.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID, uuid4

from triage import errors

KEPT = 50
REASONS_KEPT = 20
AT_ONCE = 3


@dataclass
class Job:
    """One of them. `refused` has how many runs refused, by why."""

    what: str
    who: str
    total: int
    back: str
    id: UUID = field(default_factory=uuid4)
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    done: int = 0
    changed: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    stopped: str = ""

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self.done < self.total and not self.stopped


class Jobs:
    """The last ones; a few at once."""

    def __init__(self) -> None:
        """None yet."""
        self._jobs: OrderedDict[UUID, Job] = OrderedDict()
        self._lock = threading.Lock()
        self._room = threading.BoundedSemaphore(AT_ONCE)

    def get(self, job_id: UUID) -> Job | None:
        """One of the last ones."""
        return self._jobs.get(job_id)

    def start(self, job: Job, runs: Sequence[UUID], act: Callable[[UUID], object]) -> Job:
        """Do it to these runs; raises NotAllowed while too many others go on."""
        if not self._room.acquire(blocking=False):
            raise errors.NotAllowed(f"{AT_ONCE} such jobs go on; wait until one of them has ended")
        with self._lock:
            self._jobs[job.id] = job
            while len(self._jobs) > KEPT:
                self._jobs.popitem(last=False)
        threading.Thread(target=self._work, args=(job, runs, act), name=f"job {job.what}", daemon=True).start()
        return job

    def _work(self, job: Job, runs: Sequence[UUID], act: Callable[[UUID], object]) -> None:
        try:
            for run_id in runs:
                _one(job, run_id, act)
        except errors.TriageError as error:
            job.stopped = f"stopped after {job.done} of {job.total}: {error}"
        except BaseException:
            job.stopped = f"stopped after {job.done} of {job.total} by an error of ours; the console's log has it"
            raise
        finally:
            self._room.release()


def _one(job: Job, run_id: UUID, act: Callable[[UUID], object]) -> None:
    try:
        act(run_id)
        job.changed += 1
    except (errors.NotAllowed, errors.RunNotFound) as error:
        why = str(error).replace(str(run_id), "…")
        known = why in job.refused or len(job.refused) < REASONS_KEPT
        key = why if known else "other reasons"
        job.refused[key] = job.refused.get(key, 0) + 1
    job.done += 1
