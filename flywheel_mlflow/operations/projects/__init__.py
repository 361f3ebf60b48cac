"""What a project's owner does: log, adopt, run pipelines, take inputs."""
