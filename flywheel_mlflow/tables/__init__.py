"""One function a subject: a value becomes a table, for the terminal, the pages and Evidently's page alike."""
