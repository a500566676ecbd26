"""Audits: what an administrator should know before somebody needs it, found unattended."""
