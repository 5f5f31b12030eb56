"""The merger: checks that no record is missing, and joins the parts of a batch into one result."""
