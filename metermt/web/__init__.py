"""The door for those who speak HTTP: XML-RPC and JSON. An extra: nothing imports it unless it is asked for."""
