"""Audits: rooms without control, risky accounts, failing federation; found unattended."""
