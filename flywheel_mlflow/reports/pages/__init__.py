"""The pages inside the server: pure functions from facts to what a reader sees."""
