"""What the pages inside the server are made from: one function for each page, from a reader's question to the page."""
