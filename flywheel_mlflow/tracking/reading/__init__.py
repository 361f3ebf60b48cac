"""Reads what MLflow holds without importing MLflow; what is read this way and when, decision 13 says."""
