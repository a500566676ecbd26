"""Power in a room: the meaning of levels, the authorization rules, and plans to regain control.

Pure: no requests, no files, no clock.
"""
