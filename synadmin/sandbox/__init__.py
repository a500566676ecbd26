"""A real, throwaway Synapse with a small community in it: for rehearsal, for the demo, for the tests."""
