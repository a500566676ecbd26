"""Speaking HTTP with a homeserver: what an operation is, how it is sent, how lists are walked."""
