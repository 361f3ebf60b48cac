"""Pages of servers without accounts, and of one without a flywheel."""

from __future__ import annotations

from releases_bench import MANAGER, REVIEWER
from servers.plugin import PluginServer

from flywheel_mlflow.operations.reading.kinds import PAGES

FORMS = "/ajax-api/2.0/flywheel/forms"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def test_without_accounts_everybody_reads(trusting: PluginServer) -> None:
    """Pages are as open as MLflow's own; each says that nothing can be decided, and why, and has no form that acts."""
    trusting.done(MANAGER, "create", iteration=1)
    for path in (*(kind.path for kind in PAGES if "{" not in kind.path), "/releases/1"):
        answer = trusting.call("GET", f"/flywheel{path}")
        # With one iteration and one release there is nothing to compare yet, and these pages say so.
        assert answer.status_code in ((200, 400) if path in ("/compare", "/release-diff") else (200,)), answer.text[
            -2000:
        ]
        assert "this server has no accounts, so nobody can be told apart" in answer.text
        assert 'method="post"' not in answer.text
        assert 'name="token"' not in answer.text


def test_without_accounts_forms_decide_nothing(trusting: PluginServer) -> None:
    """No name that a form or a header claims, and no token, makes a decision."""
    before = len(trusting.bench().snapshot().ledger.events)
    answer = trusting.call(
        "POST",
        f"{FORMS}/approve",
        who=REVIEWER,
        headers=FORM | {"Origin": trusting.uri},
        data="version=1&role=reviewer&reason=x&token=000000000000.x",
    )
    assert answer.status_code == 403
    assert "no accounts" in answer.text
    assert len(trusting.bench().snapshot().ledger.events) == before


def test_a_server_without_a_flywheel_says_so(guarding: PluginServer) -> None:
    """Every page names the variable that is missing, with 404; `about` has no console."""
    for path in ("/", "/releases/1", "/drift/report"):
        answer = guarding.call("GET", f"/flywheel{path}")
        assert answer.status_code == 404
        assert "FLYWHEEL_ROOT" in answer.text
    sent = guarding.call("POST", f"{FORMS}/approve", headers=FORM, data="version=1&role=reviewer&reason=x")
    assert (sent.status_code, "FLYWHEEL_ROOT" in sent.text) == (404, True)
    assert guarding.call("GET", "/ajax-api/2.0/flywheel/about").json()["console"] is None


def test_the_rest_of_the_server_is_as_before(guarding: PluginServer) -> None:
    """MLflow's own pages answer beside ours."""
    assert guarding.call("GET", "/").status_code == 200
    assert guarding.call("GET", "/version").status_code == 200
