"""HTTP requests to a homeserver: the operations, the transport, and the pages of lists."""
