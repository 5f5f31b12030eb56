"""Starting, restarting and stopping processes."""
