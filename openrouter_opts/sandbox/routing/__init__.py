"""From the names and wishes of a request to the endpoints that serve it."""
