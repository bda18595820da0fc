"""The state in Postgres: one SQL file per transition in `statements/`, each one round trip and one commit."""
