"""What a Model Registry learns of a release, and that none of its faults stops one."""

import pytest

from components.releases import registry as registries
from components.releases.registry import API, Entry, register
from tests.releases.model_registry import Registry, serving

ENTRY = Entry("digits", "a1", "s3://b/releases/digits/a1", "5 classes", "anna", {"digest": "sha256:1", "accuracy": 0.9})


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def address(registry, monkeypatch):
    monkeypatch.setattr(registries, "RETRIES", 2)
    with serving(registry) as address:
        yield address


def test_a_release_is_a_version_of_a_model_with_an_artifact(registry, address):
    assert register(address, ENTRY) == "the Model Registry has digits a1 as version 2"
    [model] = registry.kept["registered_models"].values()
    [version] = registry.kept["model_versions"].values()
    [artifact] = registry.kept["model_artifacts"].values()
    assert model["name"] == "digits"
    assert (version["name"], version["registeredModelId"], version["author"]) == ("a1", model["id"], "anna")
    assert version["description"] == "5 classes"
    assert version["customProperties"] == {
        "digest": {"metadataType": "MetadataStringValue", "string_value": "sha256:1"},
        "accuracy": {"metadataType": "MetadataDoubleValue", "double_value": 0.9},
    }
    assert (artifact["uri"], artifact["artifactType"]) == ("s3://b/releases/digits/a1", "model-artifact")


def test_telling_it_again_writes_nothing_and_news_are_updates(registry, address):
    register(address, ENTRY)
    registry.requests.clear()
    assert "as version 2" in register(f"{address}{API}/", ENTRY)
    assert {method for method, _ in registry.requests} == {"GET"}
    register(address, ENTRY._replace(properties={"decision": "champion"}))
    assert [one for one in registry.requests if one[0] != "GET"] == [("PATCH", "/model_versions/2")]
    register(address, ENTRY._replace(version="a2"))
    assert [len(kept) for kept in registry.kept.values()] == [1, 2, 2]


@pytest.mark.parametrize("lost", ["registered_models", "model_versions"])
def test_an_answer_that_is_lost_makes_nothing_twice(registry, address, lost):
    registry.lose.append(lost)
    assert "as version 2" in register(address, ENTRY)
    assert [len(kept) for kept in registry.kept.values()] == [1, 1, 1]


def test_a_busy_registry_is_asked_again(registry, address):
    registry.faults = [503, 429, 0, 502]
    assert "as version 2" in register(address, ENTRY)


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ([503] * 20, "registered_model answered 503: this is a 503"),
        ([500], "registered_model answered 500: this is a 500"),
        ([403], "registered_model answered 403: this is a 403"),
        ([0, 0, 0, 400, 404], "model_versions answered 400: this is a 400"),
        ([302], "registered_model answered 302"),
    ],
)
def test_a_refusal_is_a_sentence(registry, address, faults, said):
    registry.faults = faults
    told = register(address, ENTRY)
    assert told.startswith(f"the Model Registry at {address} was not told: {said}")
    assert "\n" not in told


def test_one_that_is_not_there_is_a_sentence_too(monkeypatch):
    monkeypatch.setattr(registries, "RETRIES", 0)
    assert "http://127.0.0.1:1 was not told: " in register("http://127.0.0.1:1", ENTRY)
    assert "expected http:// or https://" in register("model-registry:8080", ENTRY)
    assert "expected http:// or https://" in register("http://", ENTRY)


def test_something_else_that_answers_is_no_registry(registry, address, monkeypatch):
    monkeypatch.setattr("tests.releases.model_registry._Handler._get", lambda *_: (200, {}), raising=True)
    assert "answers without an id; is that a Model Registry?" in register(address, ENTRY)


def test_a_token_is_sent_and_never_said(registry, address, monkeypatch):
    registry.token = "r3gistry-s3cret"
    told = register(address, ENTRY)
    assert "registered_model answered 401: who are you?" in told
    monkeypatch.setenv("GLEANER_REGISTRY_TOKEN", registry.token)
    assert "as version 2" in register(address, ENTRY)
    monkeypatch.setenv("GLEANER_REGISTRY_TOKEN", "wr0ng-s3cret")
    assert "wr0ng" not in register(address, ENTRY)
