"""The acts of people, by name: done here or by the server, from a command or a form."""
