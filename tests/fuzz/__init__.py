"""Random inputs for everything that reads external data."""
