"""What the assembly's owner does: assemble, check, compare, explain, localise, review."""
