"""One function for each thing a user does; each takes its collaborators, returns values, prints nothing."""
