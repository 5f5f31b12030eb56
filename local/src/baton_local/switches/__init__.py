"""Fault switches of a running world: cut a Region, kill a service, slow the replication."""
