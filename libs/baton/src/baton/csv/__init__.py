"""Records in bytes: where they begin and end, without ever cutting inside a quoted field."""
