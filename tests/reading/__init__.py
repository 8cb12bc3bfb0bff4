"""Agent functions whose tools answer at length, or not before they are allowed to."""
