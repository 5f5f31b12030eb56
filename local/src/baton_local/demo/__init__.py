"""The demo: a file through both Regions, and a failover."""
