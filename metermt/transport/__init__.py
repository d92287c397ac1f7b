"""RPyC, kept to itself: the service, the server and the client's connection."""
