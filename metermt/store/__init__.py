"""What is remembered: one interface, and the stores that keep it."""
