"""Lets ``python -m flywheel_mlflow`` be the ``flywheel`` command."""

from flywheel_mlflow.cli import main

if __name__ == "__main__":
    main()
