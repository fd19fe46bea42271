"""What is said and how it is put on the wire, whole or streamed."""
