"""Adapters for ports that are stored in DynamoDB."""
