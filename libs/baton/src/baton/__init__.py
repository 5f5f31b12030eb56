"""Two-Region batch processing on AWS that hands over by itself."""
