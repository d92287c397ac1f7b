"""Layouts: TOML files that say how files for billing look, and what files of meters from elsewhere look like."""
