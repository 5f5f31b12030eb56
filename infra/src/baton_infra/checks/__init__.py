"""Checks of synthesized templates."""
