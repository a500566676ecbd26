"""A stand-in for the Matrix Authentication Service (MAS), with the APIs that synadmin uses, for a sandbox.

It was written from MAS's documented and observed behaviour and compared with MAS 1.22.0. It does not protect
secrets: its file has passwords and tokens as plain text.
"""
