"""What the flywheel adds to an MLflow server: a guard over governed releases, and routes that decide about them."""
