"""What runs show: evidence of projects, samples, provenance, the registry, lineage, schemas, stages."""
