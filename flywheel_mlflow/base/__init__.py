"""What everything else stands on: canonical JSON, documents, errors, names, settings, signing, writing."""
