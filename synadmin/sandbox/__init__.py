"""A throwaway Synapse with a small community: for practice, the demo and the tests."""
