"""What the reader sees. Views draw the presenter's state, and hand on what the reader does; they decide nothing."""
