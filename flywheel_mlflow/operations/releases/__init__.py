"""What people do with releases: make, gate, approve, move, audit, export, verify."""
