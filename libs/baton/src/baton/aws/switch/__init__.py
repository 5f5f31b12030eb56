"""Adapters that move traffic: Route 53 ARC, and the dials of the Multi-Region Access Point."""
