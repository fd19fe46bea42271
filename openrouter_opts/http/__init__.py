"""How a request gets there and the answer back: the decisions are pure, the I/O is in `transport` alone."""
