"""A stand-in for a Teams workflow's webhook: takes Adaptive Cards, says nothing of them, and shows nothing."""

from http import HTTPStatus

from triage.testing.twins.base import Asked, Reply, Twin

LARGEST = 28 * 1024
CARD = "application/vnd.microsoft.card.adaptive"


class Teams(Twin):
    """Posts what comes to `/workflows/bugs`; `connector` lets it answer as the retired connectors did."""

    def __init__(self) -> None:
        """Nothing is posted yet."""
        super().__init__()
        self.connector = False
        self.fails_inside = 0
        self.posts: list[str] = []
        self.route("POST", "/workflows/bugs", self._post)

    def objects(self, key: str) -> list[str]:
        """The numbers of the posts."""
        return [str(number) for number, post in enumerate(self.posts) if f"triage-run-{key[:16]}" in post]

    def _post(self, asked: Asked) -> Reply:
        if len(asked.body) > LARGEST:
            return _plain(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, b"")
        wish = asked.fields()
        if wish.get("type") != "message" or [one.get("contentType") for one in wish.get("attachments", [])] != [CARD]:
            return _plain(HTTPStatus.BAD_REQUEST, b"Invalid webhook request")
        if self.fails_inside:
            words = f"Microsoft Teams endpoint returned HTTP error {self.fails_inside} with ContextId tcid=0"
            return _plain(HTTPStatus.OK, f"Webhook message delivery failed with error: {words}".encode())
        self.posts.append(asked.body.decode())
        return _plain(HTTPStatus.OK, b"1") if self.connector else _plain(HTTPStatus.ACCEPTED, b"")


def _plain(status: int, body: bytes) -> Reply:
    return Reply(status, body, {"Content-Type": "text/plain"})
