"""The jobs this deployment runs: one file each."""
