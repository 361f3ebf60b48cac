"""What people are told without asking: which facts, in which words, and the wall to the services that carry them."""
