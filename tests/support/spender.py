"""A worker that asks a model for money: `python -m tests.support.spender DATABASE PROVIDER RUN CLAIM FENCE LIMIT`.

LIMIT is the run's budget in micro-USD. It says on one line what came of it, if it lives to learn that.
"""

import sys
from uuid import UUID

from pydantic import SecretStr

from triage import clock
from triage.decide.llm.ask import Asker
from triage.decide.llm.paid import Attempt, PaidAsker
from triage.decide.llm.settings import LlmSettings, ModelChoice
from triage.model import Report
from triage.model.money import Limits
from triage.store.database import Database
from triage.store.money import Money

REPORT = Report(source="demo", source_id="r-1", title="Save fails")
KINDS = ("bug", "question")


def asker(provider: str) -> Asker:
    """Of the model that runs there."""
    key = SecretStr("sk-test")
    return Asker(LlmSettings(model=ModelChoice(provider="openai", model="gpt-5-mini", base_url=provider, api_key=key)))


def main() -> None:
    """Ask once."""
    database, provider, run_id, claim_id, fence, limit = sys.argv[1:]
    paid = PaidAsker(asker(provider), Money(Database(database), Limits(run=int(limit))))
    attempt = Attempt(UUID(run_id), UUID(claim_id), int(fence))
    asked = paid.ask(attempt, REPORT, KINDS, deadline=clock.now() + 30)
    print(asked.opinion.kind if asked.opinion else asked.why, flush=True)


if __name__ == "__main__":
    main()
