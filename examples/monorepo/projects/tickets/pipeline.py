"""Makes the tickets; put your export here."""

from support_records.records import CARD, support_record

from flywheel_mlflow.pipelines import Workspace

PRODUCTS = ("lamp", "desk", "chair")


def build(work: Workspace) -> None:
    """Sixty tickets about three products."""
    made = (
        support_record(f"ticket-{product}-{number:02d}", f"My {product} number {number} wobbles.", product)
        for number in range(20)
        for product in PRODUCTS
    )
    work.log_document({"tickets": work.write_records("support_tickets", made, card=CARD)})
