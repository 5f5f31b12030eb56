"""Mails the outcome of a batch with a link that lives 60 minutes."""
