"""Random inputs against everything that reads what others write."""
