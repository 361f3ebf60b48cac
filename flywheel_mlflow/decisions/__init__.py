"""What people decide: the ledger, releases, gates, approvals, moves, explanations, risks."""
