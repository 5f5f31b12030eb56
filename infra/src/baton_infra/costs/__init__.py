"""What an environment costs."""
