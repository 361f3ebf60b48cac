"""Gathers the pages of interfaces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlencode

from flywheel_mlflow.assembly import deliverables
from flywheel_mlflow.assembly.recorded import RecordedAssembly
from flywheel_mlflow.base.canonical import sha256_text
from flywheel_mlflow.base.documents import parse_json
from flywheel_mlflow.base.errors import FlywheelError, InputError, UnknownName
from flywheel_mlflow.evidence.lineage import producers
from flywheel_mlflow.operations.assembly.iterations import MOST_ITERATIONS
from flywheel_mlflow.operations.deciding import is_trouble
from flywheel_mlflow.operations.reading.previewing import read_preview
from flywheel_mlflow.operations.reading.reader import PageQuery, Reader
from flywheel_mlflow.operations.reading.reporting import read_ledger
from flywheel_mlflow.operations.reading.turns import Turn, find_turn, record_facts_at
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.records.cards import card_from_json
from flywheel_mlflow.records.croissant import Provenance, measured_files, to_croissant
from flywheel_mlflow.records.data_fields import recorded_fields
from flywheel_mlflow.records.profiles import Profile, profile_from_json
from flywheel_mlflow.reports.dataset_card import DatasetFacts, SplitFiles, dataset_card
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.reports.pages.interface import (
    InterfaceFacts,
    interface_page,
    promised_interface_page,
)
from flywheel_mlflow.reports.pages.interface_data import PastVersion
from flywheel_mlflow.reports.pages.interfaces import interfaces_page, promised_interfaces_page

Found = TypeVar("Found")

NO_CARD = "its run logged no data card"


def interfaces(reader: Reader, asked: PageQuery) -> Page:
    """Every interface of an iteration, the newest unasked."""
    turn = find_turn(reader, asked.whole("iteration"))
    if turn is None:
        return promised_interfaces_page(reader.session.flywheel.contracts, reader.addresses)
    return interfaces_page(record_facts_at(reader, turn), reader.addresses)


def interface(reader: Reader, asked: PageQuery) -> Page:
    """One interface in an iteration, the newest unasked."""
    contracts = reader.session.flywheel.contracts
    makers = producers(contracts.values())
    name = asked.word("interface") or ""
    turn = find_turn(reader, asked.whole("iteration"))
    if turn is None:
        if name not in makers:
            raise UnknownName("interface", name, makers)
        return promised_interface_page(name, contracts[makers[name]], contracts, reader.addresses)
    facts = _with_logged(reader, turn, _facts(reader, turn, name))
    record = asked.word("record")
    # A card that is there and cannot be read might forbid it.
    fault = facts.card_unknown if facts.card is None and facts.card_unknown != NO_CARD else ""
    rows = read_preview(reader, facts.recorded, facts.card, fault, record) if facts.recorded else None
    ledger, _ = read_ledger(reader.session, reader.memory)
    page = replace(facts.page, ledger=ledger)
    facts = replace(facts, page=page, rows=rows, record=record or "", server=reader.server)
    return interface_page(facts, reader.addresses)


def croissant(reader: Reader, asked: PageQuery, server: str) -> dict[str, Any]:
    """One interface in an iteration, the newest unasked, as a Croissant document; ``server`` is its own address.

    Raises:
        UnknownName: no such interface, or no version of it. InputError: its run left no list of its files.
    """
    name = asked.word("interface") or ""
    turn = find_turn(reader, asked.whole("iteration"))
    if turn is None:
        raise UnknownName("interface", name, ())
    facts = _facts(reader, turn, name)
    producer, recorded = facts.producer, facts.recorded
    if producer is None or recorded is None or recorded.version is None:
        raise UnknownName("version of the interface", name, ())
    version = recorded.version
    scheme, _, address = version.uri.partition("runs:/")
    run_id, _, place = address.partition("/")
    on_run = address and not scheme
    text = _text(partial(reader.session.tracking.profiles.files, run_id, name)) if on_run else None
    files = measured_files(text, version.digest) if text is not None else None
    if files is None:
        raise InputError(
            f"the run that made {name} left no list of its files",
            where=version.uri,
            hint=f"`flywheel pull {name}` writes the document beside the data",
        )
    card = _with_logged(reader, turn, facts).card

    def url_of(file: str) -> str:
        inside = place if place.endswith(f"/{file}") and len(files) == 1 else f"{place}/{file}"
        return f"{server}/get-artifact?{urlencode({'path': inside, 'run_uuid': run_id})}"

    return to_croissant(
        name,
        digest=version.digest,
        data_format=recorded.format,
        files=files,
        fields=recorded_fields(version.fields),
        card=card,
        origin=Provenance(
            project=producer.project_id,
            owner=producer.owner,
            flywheel=reader.session.flywheel.name,
            title=recorded.title,
            role=recorded.role,
            iteration=turn.recorded.iteration,
        ),
        url_of=url_of,
    )


def dataset_card_text(reader: Reader, asked: PageQuery) -> str:
    """One interface in an iteration, the newest unasked, as the ``README.md`` of a data set on the Hugging Face Hub.

    Raises:
        UnknownName: no such interface, or no version of it.
    """
    name = asked.word("interface") or ""
    turn = find_turn(reader, asked.whole("iteration"))
    if turn is None:
        raise UnknownName("interface", name, ())
    facts = _with_logged(reader, turn, _facts(reader, turn, name))
    producer, recorded = facts.producer, facts.recorded
    if producer is None or recorded is None or recorded.version is None:
        raise UnknownName("version of the interface", name, ())
    version = recorded.version
    return dataset_card(
        DatasetFacts(
            interface=name,
            title=recorded.title,
            role=recorded.role,
            card=facts.card,
            licence=None,
            profile=facts.profile,
            fields=version.fields,
            splits=() if version.rows is None else (SplitFiles("train", f"*.{recorded.format}", version.rows),),
            facts=(
                ("interface", name),
                ("made by", producer.project_id),
                ("iteration", turn.recorded.iteration),
                ("digest", version.digest),
                ("schema digest", version.schema_digest),
            ),
        )
    )


def _facts(reader: Reader, turn: Turn, name: str) -> InterfaceFacts:
    """What the assembly recorded of an interface.

    Raises:
        UnknownName: neither the assembly nor a contract knows it.
    """
    contracts = reader.session.flywheel.contracts
    makers = producers(contracts.values())
    facts = InterfaceFacts(name, contracts, record_facts_at(reader, turn), ())
    if facts.recorded is None and name not in makers:
        recorded = {item.name for project in facts.page.record.projects for item in project.interfaces_out}
        raise UnknownName("interface", name, {*makers, *recorded})
    return facts


def _with_logged(reader: Reader, turn: Turn, facts: InterfaceFacts) -> InterfaceFacts:
    """The same with its card and profile, and with the versions of the iterations before."""
    producer, recorded = facts.producer, facts.recorded
    run_id = producer.evidence.run_id if producer and producer.evidence else None
    card, profile = None, None
    card_unknown = profile_unknown = "it has no version"
    if recorded is not None and recorded.version is not None:
        card_unknown = profile_unknown = "no run of its own logged it"
        if run_id is not None:
            logged = reader.session.tracking.profiles
            card, card_unknown = _read(
                lambda: _text(partial(logged.card, run_id, facts.name)),
                lambda text: card_from_json(text, name=f"the card of {facts.name}"),
                NO_CARD,
            )
            profile, profile_unknown = _read(
                lambda: _text(partial(logged.profile, run_id, facts.name)),
                lambda text: _profile(reader, text, facts.name),
                "its run logged no profile: opaque data are not looked into",
            )
    return InterfaceFacts(
        name=facts.name,
        contracts=facts.contracts,
        page=facts.page,
        versions=tuple(_past(reader, item, facts.name) for item in _assemblies(turn)),
        card=card,
        card_unknown=card_unknown,
        profile=profile,
        profile_unknown=profile_unknown,
    )


def _text(fetch: Callable[..., str | None]) -> str | None:
    with scratch_folder() as folder:
        return fetch(folder)


def _read(fetch: Callable[[], str | None], parse: Callable[[str], Found], absent: str) -> tuple[Found | None, str]:
    """What a file says, or why it says nothing; a server in trouble is no answer."""
    try:
        text = fetch()
        return (None, absent) if text is None else (parse(text), "")
    except FlywheelError as error:
        if is_trouble(error):
            raise
        return None, error.what


def _profile(reader: Reader, text: str, name: str) -> Profile:
    """The profile in a text; a text is parsed once."""
    return reader.memory.recall(
        ("profile", sha256_text(text)), lambda: profile_from_json(parse_json(text, name=f"the profile of {name}"))
    )


def _assemblies(turn: Turn) -> tuple[RecordedAssembly, ...]:
    return (*turn.earlier[-(MOST_ITERATIONS - 1) :], turn.recorded)


def _past(reader: Reader, recorded: RecordedAssembly, name: str) -> PastVersion:
    """The version in an iteration, of the registry alone: the other files of old assemblies are not fetched for it."""
    found = reader.memory.recall(("versions", recorded.run_id, recorded.digest), partial(_versions, reader, recorded))
    return found.get(name, PastVersion(recorded.iteration, None, None, None))


def _versions(reader: Reader, recorded: RecordedAssembly) -> Mapping[str, PastVersion]:
    with scratch_folder() as folder:
        text = reader.session.tracking.artifacts.text(recorded.run_id, deliverables.REGISTRY, folder)
    if text is None:
        return {}
    return {
        item.name: PastVersion(
            recorded.iteration, item.version, item.change, project.evidence.run_id if project.evidence else None
        )
        for project in deliverables.read_document(deliverables.REGISTRY, text)
        for item in project.interfaces_out
    }
