"""Sample files of the sales job, and the results expected from them."""
