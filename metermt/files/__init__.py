"""Files that people give and get: what stands in them, and how they are written whole."""
