"""The notifier: mails the outcome of a batch with a link that is valid for 60 minutes."""
