"""The store in memory: it knows what a reader's round needs."""
