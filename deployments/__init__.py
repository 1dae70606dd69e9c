"""What must exist around the flows."""
