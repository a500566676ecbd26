"""Regaining control of a room: look, plan, act, read back."""
