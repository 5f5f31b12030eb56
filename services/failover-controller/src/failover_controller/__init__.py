"""Watches both Regions, decides, hands over and hands back; one controller runs in each Region, always."""
