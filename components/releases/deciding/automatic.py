"""What becomes of a new release without asking anyone: promoted, or published to wait for a person."""

from typing import Any, NamedTuple

from components.common.errors import BadInputError, FailedError
from components.common.storage import Store
from components.releases import champion as champions
from components.releases.deciding.outside import Outside, ready, registered, sync, tell

WHO = "gleaner"  # decides where nobody is asked


class Outcome(NamedTuple):
    """What became of a release."""

    promoted: bool  # whether it is the champion
    waits: bool  # whether a person is to approve it
    why: str
    told: list[str]  # what happened in the repository and the registry


def decide(
    store: Store,
    release: dict[str, Any],
    outside: Outside,
    *,
    passed: bool,
    verdict: str,
    auto: bool,
    expected: str | None,
    source: str,
) -> Outcome:
    """Note that a release was published, make it the champion where it may be, and tell of it.

    passed: whether every gate let it pass. verdict: what the gates said. auto: whether it may be promoted without a
    person. expected: the champion that it was compared with. source: the run that it came from. Where the champion
    moved meanwhile, a person rejected it before, or the repository cannot take the commit, it stays published, and
    that is said.
    """
    model, version = release["model"], release["version"]
    approve = f"gleaner release approve {version}"
    champions.published(store, release, passed=passed, who=WHO, why=verdict, source=source)
    now = champions.champion(store, model)
    if now and now.version == version:  # of an equal run: what could not be told then is told now
        try:
            told = sync(store, model, outside).lines
        except (BadInputError, FailedError) as error:
            told = [str(error)]
        return Outcome(True, False, f"{verdict}; it is the champion already", told)
    if not passed:
        why = f"published as not passed: {verdict}; `{approve} --force` overrules it"
        return Outcome(False, False, why, registered(store, model, version, "not passed", outside))
    is_barred = version in champions.barred(store, model)
    if not auto and not is_barred:
        why = f"{verdict}; it waits for `{approve}` (promote: approval)"
        return Outcome(False, True, why, registered(store, model, version, "waits for approval", outside))
    try:
        if is_barred:  # said before the repository is asked
            raise champions.barred_error(version)
        ready(store, release, outside)
        champions.promote(store, release, expected=expected, who=WHO, why=verdict, source=source)
    except (BadInputError, FailedError) as error:
        why = f"{verdict}; published without promotion: {error}"
        return Outcome(False, False, why, registered(store, model, version, "published", outside))
    return Outcome(True, False, verdict, tell(store, model, outside).lines)
