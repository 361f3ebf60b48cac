"""Turns an assembly into what people read: reports, charts, notes."""
