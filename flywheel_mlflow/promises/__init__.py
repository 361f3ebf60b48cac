"""What people wrote down beforehand: contracts, the blueprint, routes, thresholds."""
