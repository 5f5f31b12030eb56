"""An explicit-state model of who owns what: control row, routing controls, one batch, its mail. See docs/model.md."""
