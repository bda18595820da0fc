"""Adapters to other systems. Each makes one HTTP call per `send`, and leaves retrying to the engine."""
