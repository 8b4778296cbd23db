"""A virtual twin of each device: an instrument in its own right, driven over the same bytes."""
