"""Deploys an environment from its templates, and destroys it."""
