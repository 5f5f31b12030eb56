"""The world as plain processes: a supervisor and what it starts."""
