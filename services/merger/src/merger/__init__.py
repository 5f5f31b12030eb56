"""Joins the parts of a batch into one result, after the books balance."""
