"""Control as code: one file says who has control of which rooms, and how the rooms are set."""
