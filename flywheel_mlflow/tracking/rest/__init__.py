"""Asks a tracking server by REST alone, without importing MLflow."""
