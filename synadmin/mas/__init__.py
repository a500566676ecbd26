"""The Matrix Authentication Service (MAS): its admin API, and signing in by OAuth 2.0."""
