"""Where an identical report has a ticket already, plan a comment on that one in place of a second ticket."""

from triage.model import Draft, Json, Related, on_ticket

ORIGINAL = "same_as"
PLACE = "place"
INSTEAD = "instead_of"


def plan_comment(ticket: Draft, original: Related) -> Draft:
    """The comment, which carries the whole ticket that is filed should nobody be able to comment there any more."""
    named = original.model_dump(mode="json", include={"run_id", "tool", "target", "ticket", "url", "title", "why"})
    content = {**ticket.content, ORIGINAL: named, PLACE: ticket.target}
    return Draft(on_ticket(original.target, original.ticket), content)


def plan_instead(comment: Json) -> tuple[str, Draft] | None:
    """The tool and the draft of the ticket that a comment's content carries; None if it is no comment's."""
    if not isinstance(original := comment.get(ORIGINAL), dict):
        return None
    content = {name: value for name, value in comment.items() if name not in {ORIGINAL, PLACE}}
    refused = on_ticket(original["target"], original["ticket"])
    return original["tool"], Draft(comment[PLACE], {**content, INSTEAD: refused})
