"""Carries out what `handover` decides: thin shells over ports, for a Region's controller and an operator's command."""
