"""Call a Kubeflow Pipelines server by kfp's generated client: retries, a projected token, errors in one line.

kfp.Client, the layer above, prints, writes to the home folder and blocks for 25 s on a wrong address; a pod with a
read-only root needs none of that.
"""

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import kfp_server_api
import urllib3.exceptions
from kfp_server_api.exceptions import ApiException

from components.common.errors import BadInputError

PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds between attempts
TIMEOUT = (5, 60)  # seconds to connect, and to answer
PAGE = 200  # the most that the server lists at once
FINISHED = ("SUCCEEDED", "SKIPPED", "CANCELED", "FAILED")  # states that will not change, the worst last
AUDIENCE = "pipelines.kubeflow.org"
ADDRESS = "expected the address of its API server, such as http://ml-pipeline.kubeflow:8888 in the cluster"
PROJECTED_TOKENS = (
    Path("/var/run/secrets/kubeflow/pipelines/token"),  # as kubeflow's PodDefault access-ml-pipeline mounts it
    Path("/var/run/secrets/kfp/token"),  # as Kubeflow mounts it in the pods of a run, for its launcher
)


class TransientError(BadInputError):
    """No answer, or "not now". What was asked may or may not have happened: look before asking again."""


class AbsentError(BadInputError):
    """There is no such thing on the server."""


class ConflictError(BadInputError):
    """Somebody else made it first."""


class Kubeflow:
    """One server and one namespace of it, which is empty where the server has a single user."""

    def __init__(self, host: str, namespace: str, token: Path | None) -> None:
        configuration = kfp_server_api.Configuration(host=host)
        configuration.retries = False  # neither retries nor redirects: a login page is not an answer
        configuration.ssl_ca_cert = os.environ.get("SSL_CERT_FILE")
        if token:
            # filled in at each request, since the kubelet renews the file
            configuration.api_key = {"authorization": ""}
            configuration.api_key_prefix = {"authorization": "Bearer"}
            configuration.refresh_api_key_hook = lambda it: it.api_key.update(authorization=_read_token(token))
        self.host = host
        self.namespace = namespace
        self.token = token
        # before it has answered once, the address is more likely wrong than the server busy
        self.pauses: tuple[float, ...] = PAUSES[:2]
        self.pipeline_store = "database"  # or "kubernetes": where the server keeps pipelines and their versions
        self._client = kfp_server_api.ApiClient(configuration)
        self.pipelines = kfp_server_api.PipelineServiceApi(self._client)
        self.uploads = kfp_server_api.PipelineUploadServiceApi(self._client)
        self.experiments = kfp_server_api.ExperimentServiceApi(self._client)
        self.recurring = kfp_server_api.RecurringRunServiceApi(self._client)
        self.runs = kfp_server_api.RunServiceApi(self._client)
        self.health = kfp_server_api.HealthzServiceApi(self._client)

    def call(
        self, method: Callable[..., Any], *arguments: Any, timeout: tuple[float, float] | None = None, **options: Any
    ) -> Any:
        """One request, which is not repeated. Raises TransientError, AbsentError, ConflictError or BadInputError."""
        try:
            answer = method(*arguments, _request_timeout=timeout or TIMEOUT, **options)
        except ApiException as error:
            raise self._explained(error) from None
        except urllib3.exceptions.HTTPError as error:
            raise TransientError(f"{self.host}: {_reason(error)}; is it up, and is this its address?") from None
        except AttributeError as error:  # kfp_server_api trips over a TLS error, which has no body
            if not isinstance(error.__context__, ApiException):
                raise
            reason = str(error.__context__.reason).splitlines()[-1]
            plain = "WRONG_VERSION_NUMBER" in reason
            remedy = (
                "it speaks no TLS, expected http://" if plain else "SSL_CERT_FILE names a file of certificates to trust"
            )
            raise BadInputError(f"{self.host}: {reason}; {remedy}") from None
        if not _is_object(self._client.last_response.data):
            raise self.another_server()
        return answer

    def get(self, path: str, **options: Any) -> Any:
        """The JSON at a path that kfp_server_api has no method for; to be handed to `call`."""
        return self._client.call_api(
            path,
            "GET",
            header_params={"Accept": "application/json"},
            response_type="object",
            auth_settings=["Bearer"],
            _return_http_data_only=True,
            **options,
        )

    def read(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """A request that changes nothing, repeated while the server is away."""
        for pause in self.pauses:
            try:
                return self.call(method, *arguments, **options)
            except TransientError:
                time.sleep(pause)
        return self.call(method, *arguments, **options)

    def pages(
        self, method: Callable[..., Any], field: str, *arguments: Any, size: int = PAGE, **options: Any
    ) -> Iterator[Any]:
        """Every item of a listing, page by page."""
        token = ""
        while True:
            page = self.read(method, *arguments, page_token=token, page_size=size, **options)
            yield from getattr(page, field) or []
            token = page.next_page_token
            if not token:
                return

    def _explained(self, error: ApiException) -> BadInputError:
        message = _message(error.body)
        if error.status == 429 or error.status >= 500:
            return TransientError(f"{self.host}: answers {error.status} ({message or error.reason})")
        if error.status == 401:
            wanted = f"expected a token for the audience {AUDIENCE}"
            return BadInputError(
                f"{self.host}: the token in {self.token} is not accepted, it may have expired; {wanted}"
                if self.token
                else f"{self.host}: asks who you are; {wanted}, in a file that KF_PIPELINES_SA_TOKEN_PATH names"
            )
        if error.status == 403 and message is None:  # a proxy before it; Istio says "RBAC: access denied"
            return BadInputError(
                f"{self.host}: what stands before Kubeflow Pipelines refuses ({error.reason}); {ADDRESS}"
            )
        if error.status == 403:
            return BadInputError(
                f"{self.host}: no right to do this in namespace {self.namespace!r} ({message}); "
                "expected a binding to a role such as kubeflow-pipelines-edit, or another --namespace"
            )
        if message is None or error.status < 400:
            return self.another_server()
        kinds = {404: AbsentError, 409: ConflictError}
        return kinds.get(error.status, BadInputError)(f"{self.host}: {message}")

    def another_server(self) -> BadInputError:
        return BadInputError(f"{self.host}: does not answer like Kubeflow Pipelines 2; {ADDRESS}")


def connect(host: str | None = None, namespace: str | None = None) -> Kubeflow:
    """The server that is named, else the one of KF_PIPELINES_ENDPOINT; it is asked who it is before anything else."""
    host = (host or os.environ.get("KF_PIPELINES_ENDPOINT", "")).rstrip("/")
    if not host.startswith(("http://", "https://")):
        got = f"got {host!r}" if host else "no server is named"
        raise BadInputError(
            f"{got}; expected --host or KF_PIPELINES_ENDPOINT to be the address of Kubeflow Pipelines, "
            "such as http://localhost:8888"
        )
    server = Kubeflow(host, namespace or os.environ.get("KF_PIPELINES_NAMESPACE", ""), _token_file())
    health = server.read(server.health.healthz_service_get_healthz)
    if not any(health.to_dict().values()):  # some other JSON
        raise server.another_server()
    server.pauses = PAUSES
    server.pipeline_store = health.pipeline_store or "database"  # servers before 2.15 have no other
    if not health.multi_user:
        server.namespace = ""
    elif not server.namespace:
        raise BadInputError(f"{host}: serves many users; expected --namespace or KF_PIPELINES_NAMESPACE")
    return server


def predicate(operation: str, key: str, value: str) -> str:
    """A filter of one condition, as listings take it: URL-encoded by itself, beside the encoding of the request."""
    return quote(json.dumps({"predicates": [{"operation": operation, "key": key, "string_value": value}]}))


def _token_file() -> Path | None:
    named = os.environ.get("KF_PIPELINES_SA_TOKEN_PATH")
    if named:
        _read_token(Path(named))
        return Path(named)
    return next((path for path in PROJECTED_TOKENS if path.is_file()), None)


def _read_token(path: Path) -> str:
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"KF_PIPELINES_SA_TOKEN_PATH: {path} cannot be read as a token: {_reason(error)}") from None
    if not token:
        raise BadInputError(
            f"KF_PIPELINES_SA_TOKEN_PATH: {path} is empty; expected a token for the audience {AUDIENCE}"
        )
    return token


def _message(body: Any) -> str | None:
    """What the server says, in one line; None where it is not this kind of server."""
    if not _is_object(body):
        return None
    answer = json.loads(body)
    text = str(answer.get("message") or answer.get("error_message") or answer.get("error") or "")
    return " ".join(text.split())[:500]


def _is_object(text: Any) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (TypeError, ValueError):
        return False


def _reason(error: Exception) -> str:
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return re.sub(r"^\w+\(host=[^)]*\): ", "", " ".join(words.split()))
