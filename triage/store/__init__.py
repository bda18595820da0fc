"""The state in Postgres: one SQL file per transition in `statements/`, each one statement, one round trip, one commit."""
