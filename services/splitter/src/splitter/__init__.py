"""Admits input files and cuts them into chunks of whole records."""
