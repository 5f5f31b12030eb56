"""The controller: watches both Regions, decides on failovers and carries them out. One runs in each Region."""
