"""A real, throwaway Synapse with a small community in it: to practise, for the demo and the tests."""
