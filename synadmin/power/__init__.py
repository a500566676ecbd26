"""Power in a room: what levels mean, who may do what with them, and how to regain control.

Pure: no requests, no files, no clock.
"""
