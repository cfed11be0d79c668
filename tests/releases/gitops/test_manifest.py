"""The text of a manifest with another release in it: nothing else changes, in whatever way it is written."""

import difflib
from pathlib import Path

import pytest
import yaml

from components.common.errors import BadInputError
from components.releases.gitops.manifest import serve, served

ROOT = Path(__file__).parents[3]
URI, DIGEST = "s3://bucket/gleaner/releases/digits/0123456789abcdef", f"sha256:{'1' * 64}"
ONE = """\
# Which release answers.
kind: InferenceService
metadata:
  name: digits
  annotations: {other: kept, gleaner.dev/release-digest: "sha256:00"}   # of release.json
spec:
  predictor:
    model:
      storageUri: 's3://old/releases/digits/00'   # moved by commits
      runtime: gleaner
"""


def changed_lines(old: str, new: str) -> list[str]:
    return [line for line in difflib.ndiff(old.splitlines(True), new.splitlines(True)) if line[0] in "+-"]


def test_the_manifest_that_is_shipped_changes_in_two_values():
    text = (ROOT / "manifests/components/serving/inferenceservice.yaml").read_text(encoding="utf-8")
    old_uri, old_digest = served(text, "digits", "x")
    new = serve(text, "digits", URI, DIGEST, "x")
    assert served(new, "digits", "x") == (URI, DIGEST)
    assert new.replace(URI, old_uri).replace(DIGEST, old_digest) == text
    assert len(changed_lines(text, new)) == 4
    assert serve(new, "digits", old_uri, old_digest, "x") == text


def test_quotes_comments_and_layout_stay():
    new = serve(ONE, "digits", URI, DIGEST, "x")
    assert f'digest: "{DIGEST}"}}   # of release.json\n' in new
    assert f"storageUri: '{URI}'   # moved by commits\n" in new
    assert serve(ONE.replace("\n", "\r\n"), "digits", URI, DIGEST, "x") == new.replace("\n", "\r\n")


def test_of_several_documents_the_one_of_the_model_changes():
    text = f"---\nkind: ConfigMap\n---\n{ONE.replace('digits', 'letters')}---\n{ONE}---\n# nothing\n"
    new = serve(text, "digits", URI, DIGEST, "x")
    assert served(new, "letters", "x") == served(text, "letters", "x")
    assert served(new, "digits", "x") == (URI, DIGEST)
    assert len(changed_lines(text, new)) == 4


def test_a_name_that_kubernetes_does_not_take_and_one_of_ones_own():
    assert serve(ONE.replace("name: digits", "name: my-digits-2"), "My_digits.2", URI, DIGEST, "x").count(URI) == 1
    assert serve(ONE.replace("name: digits", "name: reader"), "digits", URI, DIGEST, "x").count(URI) == 1


@pytest.mark.parametrize("value", ["s3://a b/# c", "it's: here", "*x", "12", "ends with:"])
@pytest.mark.parametrize("style", ["s3://old", "'s3://old'", '"s3://old"'])
def test_a_value_that_yaml_would_misread_is_quoted(value, style):
    text = ONE.replace("'s3://old/releases/digits/00'", style)
    new = serve(text, "digits", value, DIGEST, "x")
    assert yaml.safe_load(new)["spec"]["predictor"]["model"] == {"storageUri": value, "runtime": "gleaner"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("storageUri: 's3://old/releases/digits/00'", "other: x", "x: has no spec.predictor.model.storageUri; add it"),
        ("storageUri: 's3://old/releases/digits/00'", "storageUri:", "x: has no spec.predictor.model.storageUri; add"),
        ("gleaner.dev/release-digest", "digest", "x: has no metadata.annotations.gleaner.dev/release-digest; add it"),
        ("InferenceService", "Deployment", "expected one InferenceService named digits, found 0 among: none"),
        ("metadata:", "metadata: ]", r"x:\d+: is no YAML"),
        ("kind:", "kind: [", r"x:\d+: is no YAML"),
    ],
)
def test_what_is_missing_is_told(old, new, said):
    with pytest.raises(BadInputError, match=said) as refusal:
        serve(ONE.replace(old, new), "digits", URI, DIGEST, "x")
    assert "\n" not in str(refusal.value)


def test_two_of_a_name_and_values_that_others_share_are_refused():
    with pytest.raises(BadInputError, match="found 2 among: digits, digits"):
        serve(f"{ONE}---\n{ONE}", "digits", URI, DIGEST, "x")
    shared = ONE.replace("'s3://old/releases/digits/00'", "&a s3://old").replace("runtime: gleaner", "runtime: *a")
    with pytest.raises(BadInputError, match="cannot be changed without changing more"):
        serve(shared, "digits", URI, DIGEST, "x")
    block = ONE.replace("'s3://old/releases/digits/00'   # moved by commits", "|\n        s3://old")
    with pytest.raises(BadInputError, match="cannot be changed without changing more"):
        serve(block, "digits", URI, DIGEST, "x")
