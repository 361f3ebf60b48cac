"""What the projects share: how a record of the support flywheel looks."""

from typing import Any

from flywheel_mlflow.pipelines import sample_record

CARD = {"source": "written for this example", "licence": "CC0-1.0"}


def support_record(name: str, content: str, product: str) -> dict[str, Any]:
    """A record with its product and licence."""
    return sample_record(
        id=name,
        source="written for this example",
        content=content,
        metadata={"license": "CC0-1.0", "product": product},
        quality_signals={"length": len(content)},
        split="train",
        audit_trace=["written"],
    )
