"""Writes a reply to each ticket; ask your model here."""

from support_records.records import CARD, support_record

from flywheel_mlflow.pipelines import Workspace


def build(work: Workspace) -> None:
    """A reply for each ticket of a product that somebody knows."""
    tickets = list(work.read_input("support_tickets"))
    made = (
        support_record(f"reply-{ticket['id']}", f"{ticket['content']} Tighten the four screws below.", product)
        for ticket in tickets
        if (product := ticket["metadata"]["product"]) in ("lamp", "desk", "chair")
    )
    count = work.write_records("support_replies", made, card=CARD)
    work.log_document({"replied": count / len(tickets), "asked": len(tickets)})
