"""Synapse's Admin API, one file for each kind of resource: its models, its endpoints, its methods."""
