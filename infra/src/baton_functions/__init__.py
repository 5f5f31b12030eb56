"""Lambda functions that CloudFormation calls: one zip with only this package and what Lambda provides."""
