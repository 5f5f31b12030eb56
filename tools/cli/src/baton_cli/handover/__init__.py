"""Commands on switches between the Regions: what operators order, and what the controllers decided."""
