"""Variants side by side: who gets which, what came of it, and when that can be told."""
