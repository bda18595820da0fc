"""The same world for the naive task: what it saved says whether it is finished."""

from collections import Counter

from tests.crash import naive
from tests.crash.scene import Count, Scene, State
from tests.support.databases import query

WHAT = {"tickets": "ticket", "notices": "notice"}


class NaiveScene(Scene):
    """Nobody is asked here, and nothing is ever held."""

    def state(self) -> State:
        """There are no runs."""
        return State({}, [])

    def finished(self, _state: State) -> bool:
        """Whether the task has saved both objects."""
        return len(query(self.services.database, "select from naive")) == len(WHAT)

    def problems(self) -> Count:
        """Each object should have been made once, and saved."""
        found = Count()
        for objects, what in WHAT.items():
            made = Counter(commit.key for commit in self.commits(objects))
            number = made[naive.key(f"naive-{self.serial}", what)]
            found.add("duplicates", number - 1, f"{number} {objects}")
            found.add("lost", int(number == 0), f"no {what}")
        found.add("lost", int(not found.lost and not self.finished(self.state())), "never finished")
        return found
