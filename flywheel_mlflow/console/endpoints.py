"""Classifies every endpoint of MLflow's server by what it may do to governed objects; one that is not here, nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum


class Effect(Enum):
    """What a request may do to governed objects."""

    #: It reads.
    READS = "reads"
    #: It writes, and to nothing governed: whatever reaches a governed row all the same is refused.
    ASIDE = "aside"
    #: It changes the run, experiment, model or version it names: as far as the ledger permits.
    DIRECT = "direct"
    #: It uploads or deletes files: never those that releases rest on.
    FILES = "files"
    #: The server itself writes, after an act was decided.
    OWN = "own"


_READS = """
_batch_get_trace_infos _batch_get_traces _calculate_trace_filter_correlation _deprecated_get_trace_info_v2
_deprecated_search_traces_v2 _download_artifact _get_assessment _get_budget_policy _get_dataset_experiment_ids_handler
_get_dataset_handler _get_dataset_records_handler _get_experiment _get_experiment_by_name _get_gateway_endpoint
_get_gateway_guardrail _get_gateway_model_definition _get_gateway_secret_info _get_issue _get_job _get_label_schema
_get_label_schema_by_name _get_latest_versions _get_logged_model _get_metric_history _get_model_version
_get_model_version_by_alias _get_model_version_download_uri _get_online_scoring_configs _get_presigned_download_url
_get_prompt_optimization_job _get_provider_config _get_registered_model _get_review_queue _get_review_queue_by_name
_get_run _get_scorer _get_secrets_config _get_server_info _get_trace _get_trace_info_v3 _get_webhook
_get_workspace_handler _graphql _create_presigned_download_url _list_artifacts _list_artifacts_mlflow_artifacts
_list_budget_policies _list_budget_windows _list_endpoint_guardrail_configs _list_gateway_endpoint_bindings
_list_gateway_endpoints _list_gateway_guardrails _list_gateway_model_definitions _list_gateway_secrets
_list_label_schemas _list_logged_model_artifacts _list_review_queue_items _list_review_queues _list_scorer_versions
_list_scorers _list_supported_models _list_supported_providers _list_webhooks _list_workspaces_handler _not_implemented
_query_trace_metrics _search_evaluation_datasets_handler _search_experiments _search_issues _search_logged_models
_search_model_versions _search_prompt_optimization_jobs _search_registered_models _search_runs _search_traces_v3
get_metric_history_bulk_interval_handler health serve serve_artifacts serve_get_logged_model_artifact
serve_get_metric_history_bulk serve_get_metric_history_bulk_interval serve_get_trace_artifact serve_get_ui_telemetry
serve_model_version_artifact serve_search_datasets serve_static_file static version
"""

_DIRECT = """
_create_experiment _create_model_version _create_registered_model _create_run _delete_experiment _delete_experiment_tag
_delete_model_version _delete_model_version_tag _delete_registered_model _delete_registered_model_alias
_delete_registered_model_tag _delete_run _delete_tag _log_batch _log_inputs _log_metric _log_model _log_outputs
_log_param _rename_registered_model _restore_experiment _restore_run _set_experiment_tag _set_model_version_tag
_set_registered_model_alias _set_registered_model_tag _set_tag _transition_stage _update_experiment
_update_model_version _update_registered_model _update_run
"""

_FILES = """
_abort_multipart_upload_artifact _complete_multipart_upload_artifact _create_multipart_upload_artifact
_create_presigned_upload_url _delete_artifact_mlflow_artifacts _upload_artifact serve_upload_artifact
"""

#: Traces, reviews, prompts, scorers, datasets, the gateway, webhooks, workspaces, jobs, the demo, accounts.
_ASIDE = """
_add_dataset_to_experiments_handler _add_guardrail_to_endpoint _add_items_to_review_queue
_attach_model_to_gateway_endpoint _cancel_job _cancel_prompt_optimization_job _create_assessment _create_budget_policy
_create_dataset_handler _create_gateway_endpoint _create_gateway_endpoint_binding _create_gateway_guardrail
_create_gateway_model_definition _create_gateway_secret _create_issue _create_label_schema _create_logged_model
_create_prompt_optimization_job _create_review_queue _create_webhook _create_workspace_handler _delete_assessment
_delete_budget_policy _delete_dataset_handler _delete_dataset_records_handler _delete_dataset_tag_handler _delete_demo
_delete_gateway_endpoint _delete_gateway_endpoint_binding _delete_gateway_endpoint_tag _delete_gateway_guardrail
_delete_gateway_model_definition _delete_gateway_secret _delete_label_schema _delete_logged_model
_delete_logged_model_tag _delete_prompt_optimization_job _delete_review_queue _delete_scorer _delete_trace_tag
_delete_trace_tag_v3 _delete_traces _delete_webhook _delete_workspace_handler _deprecated_end_trace_v2
_deprecated_start_trace_v2 _detach_model_from_gateway_endpoint _finalize_logged_model _generate_demo
_get_or_create_user_queue _invoke_genai_evaluate_handler _invoke_issue_detection_handler _invoke_scorer_handler
_link_prompts_to_trace _link_traces_to_run _log_logged_model_params _register_scorer
_remove_dataset_from_experiments_handler _remove_guardrail_from_endpoint _remove_items_from_review_queue
_set_dataset_tags_handler _set_gateway_endpoint_tag _set_logged_model_tags _set_review_queue_item_status _set_trace_tag
_set_trace_tag_v3 _start_trace_v3 _test_webhook _update_assessment _update_budget_policy
_update_endpoint_guardrail_config _update_gateway_endpoint _update_gateway_model_definition _update_gateway_secret
_update_issue _update_label_schema _update_review_queue _update_webhook _update_workspace_handler
_upsert_dataset_records_handler _upsert_online_scoring_config serve_create_promptlab_run serve_gateway_proxy
serve_post_ui_telemetry
"""

_NATIVE_READS = """
download_artifact get_config get_job get_mcp_access_endpoint get_mcp_server get_mcp_server_version get_providers
get_server_info get_version_by_alias health list_models list_provider_models provider_health_check
search_all_access_endpoints search_jobs search_mcp_server_versions search_mcp_servers search_server_access_endpoints
stream_response
"""

_NATIVE_ASIDE = """
anthropic_passthrough_messages cancel_job chat_completions create_mcp_access_endpoint create_mcp_server
create_mcp_server_version delete_mcp_access_endpoint delete_mcp_server delete_mcp_server_alias delete_mcp_server_tag
delete_mcp_server_version delete_mcp_server_version_tag export_traces gemini_passthrough_generate_content
gemini_passthrough_stream_generate_content install_skills_endpoint invocations openai_passthrough_chat
openai_passthrough_embeddings openai_passthrough_responses openai_passthrough_responses_compact patch_session
raw_proxy resolve_client_tool_result resolve_permission send_message set_mcp_server_alias set_mcp_server_tag
set_mcp_server_version_tag submit_job typesafe_passthrough_system_one update_config update_mcp_access_endpoint
update_mcp_server update_mcp_server_version
"""


def _table(names: Mapping[Effect, str]) -> dict[str, Effect]:
    return {name: effect for effect, listed in names.items() for name in listed.split()}


#: MLflow's Flask endpoints, by the name they are registered under.
ENDPOINTS: Mapping[str, Effect] = _table(
    {Effect.READS: _READS, Effect.DIRECT: _DIRECT, Effect.FILES: _FILES, Effect.ASIDE: _ASIDE}
)
#: Routes that MLflow answers without Flask, by the name of their function.
NATIVE: Mapping[str, Effect] = _table(
    {Effect.READS: _NATIVE_READS, Effect.FILES: "upload_artifact", Effect.ASIDE: _NATIVE_ASIDE}
)

#: The plugin's own routes, by the name of their function. Events of feedback are written as any client writes them:
#: what an application sends is no decision, and nothing governed can be reached through it.
OWN_ROUTES: Mapping[str, Effect] = _table(
    {
        Effect.READS: "about entrance live_script script serve",
        Effect.FILES: "upload",
        Effect.ASIDE: "take_feedback",
        Effect.OWN: "act take",
    }
)

_effect: ContextVar[Effect] = ContextVar("effect", default=Effect.ASIDE)


def current_effect() -> Effect:
    """What the request at work may do; outside of any request as little as an unknown endpoint."""
    return _effect.get()


def classify(endpoint: str) -> Effect:
    """Let the request at work do what its endpoint may; returns that."""
    effect = ENDPOINTS.get(endpoint, Effect.ASIDE)
    _effect.set(effect)
    return effect


@contextmanager
def serving(route: str) -> Iterator[None]:
    """Within this block a route of the plugin writes, as far as :data:`OWN_ROUTES` lets it."""
    with _within(OWN_ROUTES[route]):
        yield


@contextmanager
def acting() -> Iterator[None]:
    """Within this block the server itself writes."""
    with _within(Effect.OWN):
        yield


@contextmanager
def _within(effect: Effect) -> Iterator[None]:
    token = _effect.set(effect)
    try:
        yield
    finally:
        _effect.reset(token)
