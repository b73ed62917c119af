"""A shop small enough to be tested in a moment."""
