"""Audits find rooms without control, risky accounts and failing federation, and can run unattended."""
