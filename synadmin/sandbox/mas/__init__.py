"""A stand-in for the Matrix Authentication Service (MAS): what synadmin needs of its APIs, for a sandbox.

It was written from MAS's documented and observed behaviour and compared with MAS 1.22.0. It keeps no secret
safe: passwords and tokens lie in its file as they are.
"""
