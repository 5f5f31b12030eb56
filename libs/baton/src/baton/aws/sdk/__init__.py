"""The AWS SDK: clients, their calls, and the translation of their errors."""
