"""What the live lane brings into the graph."""
