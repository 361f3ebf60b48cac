"""What people do with feedback: take it in, route it, decide about themes and tasks."""
