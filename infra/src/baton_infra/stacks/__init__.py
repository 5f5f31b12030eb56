"""One module per stack, one purpose per stack."""
