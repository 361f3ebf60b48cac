"""What people look at: facts for pages, reports and notebooks."""
