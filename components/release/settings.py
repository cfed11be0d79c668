"""Settings of release."""

from typing import Any, Literal

from pydantic import Field, field_validator

from components.common.settings import Settings


class GitOps(Settings):
    """A repository that the cluster follows: a promotion is a commit there, and `git revert` its rollback."""

    repository: str | None = None
    """Address of the repository, https:// or a folder; null promotes in the store alone. Credentials come from
    GLEANER_GIT_USERNAME and GLEANER_GIT_TOKEN.
    """
    branch: str = "main"
    """Branch that Argo CD follows."""
    review: bool = False
    """Push a branch `promote-<model>-<version>` to be merged by a person, instead of `branch` itself."""
    path: str = "manifests/components/serving/inferenceservice.yaml"
    """The InferenceService in the repository, of which `storageUri` and the digest are changed."""


class ReleaseSettings(Settings):
    """What happens to a model that passes every gate."""

    promote: Literal["auto", "approval"] = "auto"
    """`auto` moves the champion pointer to it; `approval` publishes it and waits for `gleaner release approve`."""
    gitops: GitOps = GitOps()
    registry: str | None = None
    """Address of a Kubeflow Model Registry, such as http://model-registry-service.kubeflow.svc:8080; null tells none.
    Where it cannot be reached the release is not held up.
    """
    sign_key: str | None = None
    """Private key in PEM (Ed25519 or ECDSA) that signs the bundle's SHA256SUMS: a file, as mounted from a Secret; null
    leaves it unsigned.
    """
    run: dict[str, Any] = Field(default={})
    """Settings of the whole run, for the provenance; each run fills it in."""
    run_key: str = ""
    """Digest of what the run is made from, by which it knows its own release again; each run fills it in."""

    @field_validator("promote", mode="before")
    @classmethod
    def _of_version_1(cls, promote: Any) -> Any:
        """It was a yes or no, which older files, forms and overrides still say."""
        if isinstance(promote, bool):
            return "auto" if promote else "approval"
        return {"yes": "auto", "true": "auto", "no": "approval", "false": "approval"}.get(str(promote), promote)
