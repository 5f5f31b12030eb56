"""Functions that CloudFormation calls: one zip, with nothing in it but this package and what Lambda has."""
