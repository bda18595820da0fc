"""What counts as a write where the method does not tell; in a module that a proxy's own process can import."""


def graphql(method: str, path: str, body: bytes) -> bool:  # noqa: ARG001 - the proxy's signature
    """Only mutations are writes."""
    return method == "POST" and b"mutation" in body
