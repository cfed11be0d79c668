"""Which release the model of a run is compared with."""

from components.common.errors import BadInputError
from components.common.storage import Store
from components.releases.bundle import verified_release
from components.releases.champion import champion


def opponent(store: Store, model: str, run_key: str) -> str:
    """Version of the champion, or, where that came from a run of this very key, the one that it was compared with;
    empty where there is none.

    So no model is compared with itself, and to run again what has not changed is to be told the same.
    """
    now = champion(store, model)
    if now is None:
        return ""
    try:
        release = verified_release(store, f"releases/{model}/{now.version}/")
    except BadInputError:  # evaluate says what is wrong with it
        return now.version
    is_own = run_key != "" and release.get("run", {}).get("key") == run_key
    return release.get("compared_with", "") if is_own else now.version


def moved_on(store: Store, model: str, told: str, weights: str) -> str:
    """Version that a model of these weights is to be compared with, where its run was told `told`: that one, or the
    champion that replaced it since.

    The one that replaced it is meant where it is another model: another run was faster, or the same settings gave other
    weights, as after another library.
    """
    now = champion(store, model)
    if now is None or now.version == told:
        return told
    try:
        release = verified_release(store, f"releases/{model}/{now.version}/")
    except BadInputError:
        return told
    is_other = release["files"].get("classifier.safetensors", {}).get("sha256") != weights
    return now.version if is_other and release.get("compared_with") == told else told
