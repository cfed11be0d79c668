"""Promotions as commits in real repositories, in a folder and over HTTP with passwords: all or nothing, no secrets."""

import logging
from concurrent.futures import ThreadPoolExecutor

import pytest

from components.common.errors import BadInputError, FailedError
from components.releases.gitops import promotion
from components.releases.gitops.promotion import check, push
from components.releases.gitops.repository import Repository
from tests.releases.gitops.world import MANIFEST, PATH, TOKEN, USER, Bare, change, git, served, target

A, B = "a" * 16, "b" * 16


@pytest.fixture
def bare(tmp_path) -> Bare:
    return Bare(tmp_path / "git")


@pytest.fixture(params=["folder", "http"])
def place(request, bare, monkeypatch):
    monkeypatch.setattr(promotion, "PAUSE", 0.01)
    if request.param == "folder":
        yield target(bare)
        return
    monkeypatch.setenv("GLEANER_GIT_USERNAME", USER)
    monkeypatch.setenv("GLEANER_GIT_TOKEN", TOKEN)
    with served(bare) as address:
        yield target(bare, address)


def test_a_promotion_is_a_commit_that_changes_two_values(bare, place):
    check(place, change(A))
    assert bare.log() == ["first"]
    done = push(place, change(A))
    assert (done.branch, done.review) == ("main", False)
    assert git(bare.folder, "rev-parse", "main") == done.commit
    assert bare.shown() == MANIFEST.replace("sha256:0", f"sha256:{A * 3}").replace("digits/0", f"digits/{A}")
    assert git(bare.folder, "show", "--stat", "--format=%an|%s|%b", "main").splitlines()[0] == (
        f"anna|Promote digits {A}|looks right"
    )
    assert git(bare.folder, "diff", "--numstat", "main^", "main").split() == ["2", "2", PATH]
    git(bare.folder, "fsck", "--strict", "--full")
    assert push(place, change(A)) == ("", "main", False)
    assert bare.log() == [f"Promote digits {A}", "first"]


def test_git_revert_is_the_rollback(bare, place):
    push(place, change(A))
    before = bare.shown()
    push(place, change(B))
    git(bare.clone, "pull", "-q", "origin", "main")
    git(bare.clone, "revert", "--no-edit", "HEAD")
    git(bare.clone, "push", "-q", "origin", "HEAD:main")
    assert bare.shown() == before
    assert push(place, change(A)).commit == ""


def test_a_promotion_for_review_is_a_branch_on_top_of_the_newest_commit(bare, place):
    place = place._replace(review=True)
    branch = f"promote-digits-{A}"
    done = push(place, change(A))
    assert (done.branch, done.review) == (branch, True)
    assert bare.log() == ["first"]
    assert A in bare.shown(branch)
    assert push(place, change(A)) == ("", branch, True)
    assert bare.log(branch) == [f"Promote digits {A}", "first"]
    bare.commit("meanwhile")
    assert push(place, change(A)).commit
    assert bare.log(branch) == [f"Promote digits {A}", "meanwhile", "first"]
    git(bare.clone, "fetch", "-q", "origin", branch)
    git(bare.clone, "merge", "-q", "FETCH_HEAD")
    git(bare.clone, "push", "-q", "origin", "HEAD:main")
    assert push(place, change(A)) == ("", "main", False)


def test_a_refused_push_says_the_words_of_the_hook_and_changes_nothing(bare, place):
    bare.hook("pre-receive", 'echo "freeze until Monday" >&2; echo "ask the release desk" >&2; exit 1')
    with pytest.raises(BadInputError, match="refuses the push to main: ") as refusal:
        push(place, change(A))
    said = str(refusal.value)
    assert "freeze until Monday; ask the release desk; pre-receive hook declined" in said
    assert "\n" not in said
    assert bare.shown() == MANIFEST
    assert bare.log() == ["first"]


def test_whoever_pushes_meanwhile_keeps_what_they_pushed(bare, place, monkeypatch):
    read = Repository.read
    times: list[int] = []

    def slowly(self: Repository, review: str = ""):
        seen = read(self, review)
        if len(times) < 2:  # somebody pushes between reading and pushing, twice
            times.append(1)
            (bare.clone / "README.md").write_text(f"a fleet {len(times)}\n")
            bare.commit(f"meanwhile {len(times)}")
        return seen

    monkeypatch.setattr(Repository, "read", slowly)
    push(place, change(A))
    assert bare.log() == [f"Promote digits {A}", "meanwhile 2", "meanwhile 1", "first"]
    assert bare.shown(path="README.md") == "a fleet 2\n"
    assert A in bare.shown()


def test_one_who_pushes_while_the_server_decides_is_not_taken_for_a_refusal(bare, place):
    """The branch moves under a hook of this very push: git refuses the lock, and a second try is made on top."""
    other = git(bare.clone, "commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "in that moment")
    git(bare.clone, "push", "-q", "origin", f"{other}:refs/heads/theirs")
    bare.hook(
        "update", f'[ -e "$GIT_DIR/done" ] || {{ touch "$GIT_DIR/done"; printf "%s\\n" {other} > refs/heads/main; }}'
    )
    push(place, change(A))
    assert bare.log() == [f"Promote digits {A}", "in that moment", "first"]


def test_many_at_once_all_end_in_the_branch(bare, place):
    versions = [f"{number:016d}" for number in range(1, 5)]
    with ThreadPoolExecutor(4) as pool:
        done = [*pool.map(lambda version: push(place, change(version)), versions)]
    assert len({one.commit for one in done}) == 4
    assert sorted(bare.log()) == sorted(["first", *(f"Promote digits {version}" for version in versions)])
    git(bare.folder, "fsck", "--strict", "--full")


def test_tries_are_bounded(bare, place, monkeypatch):
    read = Repository.read

    def slowly(self: Repository, review: str = ""):
        seen = read(self, review)
        bare.commit("meanwhile")
        return seen

    monkeypatch.setattr(promotion, "TRIES", 3)
    monkeypatch.setattr(Repository, "read", slowly)
    with pytest.raises(FailedError, match="others pushed to main 3 times meanwhile; try again later"):
        push(place, change(A))
    assert bare.shown() == MANIFEST


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"branch": "prod"}, "has no branch 'prod'; correct release.gitops.branch"),
        ({"path": "apps/x.yaml"}, "branch main, apps/x.yaml: no such file; correct release.gitops.path"),
        ({"path": "apps/serving"}, "is a folder; expected a file"),
        ({"path": "README.md/x"}, "no such file"),
        ({"path": "README.md"}, "expected one InferenceService named digits, found 0"),
        ({"path": "../x"}, r"release.gitops.path: got '../x'; expected a file inside the repository"),
        ({"path": "link.yaml"}, "passes through a link"),
        ({"path": "binary.yaml"}, "is no UTF-8 text"),
    ],
)
def test_what_is_not_in_the_repository_is_told_in_one_line(bare, place, wrong, said):
    (bare.clone / "link.yaml").symlink_to(PATH)
    (bare.clone / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    bare.commit("more")
    for act in (check, push):
        with pytest.raises(BadInputError, match=said) as refusal:
            act(place._replace(**wrong), change(A))
        assert "\n" not in str(refusal.value)
    assert bare.log() == ["more", "first"]


def test_keys_that_are_missing_are_told(bare, place):
    (bare.clone / PATH).write_text(MANIFEST.replace("gleaner.dev/release-digest", "digest"))
    bare.commit("no digest")
    with pytest.raises(BadInputError, match=r"has no metadata\.annotations\.gleaner\.dev/release-digest; add it"):
        push(place, change(A))
    assert bare.log() == ["no digest", "first"]


@pytest.mark.parametrize(
    ("user", "token", "said"),
    [
        (USER, "", "no credentials; give a token that may push, as GLEANER_GIT_TOKEN"),
        (USER, "wr0ng-s3cret", "the credentials are not accepted; give a token"),
        ("reader", TOKEN, "no permission to push; give a token"),
    ],
)
def test_credentials_are_asked_for_before_anything_is_pushed_and_never_repeated(
    bare, monkeypatch, caplog, capfd, user, token, said
):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("GLEANER_GIT_USERNAME", user)
    monkeypatch.setenv("GLEANER_GIT_TOKEN", token)
    with served(bare) as address:
        for act in (check, push):
            with pytest.raises(BadInputError, match=said) as refusal:
                act(target(bare, address), change(A))
            assert "\n" not in str(refusal.value)
            told = str(refusal.value) + caplog.text + "".join(capfd.readouterr())
            assert not token or token not in told
    assert bare.log() == ["first"]


def test_secrets_are_in_no_address_message_log_or_commit(bare, monkeypatch, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    with pytest.raises(BadInputError, match="holds credentials, which logs would repeat") as refusal:
        push(target(bare, f"https://me:{TOKEN}@git.example.com/fleet.git"), change(A))
    assert TOKEN not in str(refusal.value)
    monkeypatch.setenv("GLEANER_GIT_USERNAME", USER)
    monkeypatch.setenv("GLEANER_GIT_TOKEN", TOKEN)
    bare.hook("pre-receive", f'echo "who is {TOKEN}?" >&2; exit 1')
    with served(bare) as address:
        with pytest.raises(BadInputError, match=r"who is \*\*\*\?"):
            push(target(bare, address), change(A))
        bare.hook("pre-receive", "exit 0")
        push(target(bare, address), change(A))
    everything = git(bare.folder, "log", "-p", "--format=raw") + caplog.text + "".join(capfd.readouterr())
    assert TOKEN not in everything
    assert f"Promote digits {A}" in everything


@pytest.mark.parametrize(
    ("repository", "said"),
    [
        ("git@github.com:a/b.git", "expected https:// or a folder"),
        ("ssh://git@example.com/b.git", "holds credentials|expected https://"),
        ("ftp://example.com/b.git", "expected https:// or a folder"),
        ("nowhere", "nowhere: no such folder"),
        (".", "no Git repository"),
    ],
)
def test_addresses_that_cannot_be_used(bare, tmp_path, monkeypatch, repository, said):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    with pytest.raises(BadInputError, match=said):
        push(target(bare, repository), change(A))


def test_a_server_that_is_not_there_or_knows_no_such_repository(bare, monkeypatch):
    with pytest.raises(FailedError, match=r"http://127\.0\.0\.1:1/x\.git: .*[Cc]onnect") as failure:
        push(target(bare, "http://127.0.0.1:1/x.git"), change(A))
    assert "\n" not in str(failure.value)
    monkeypatch.setenv("GLEANER_GIT_USERNAME", USER)
    monkeypatch.setenv("GLEANER_GIT_TOKEN", TOKEN)
    with (
        served(bare) as address,
        pytest.raises(BadInputError, match="no Git repository that these credentials may see"),
    ):
        push(target(bare, address.replace("fleet", "none")), change(A))


def test_an_answer_that_is_lost_is_no_second_commit(bare, place, monkeypatch):
    """The push arrives and its answer does not: the next try finds the change there."""
    real = Repository.push
    lost: list[str] = []

    def once(self: Repository, *words: object) -> str:
        done = real(self, *words)  # type: ignore[arg-type]
        if not lost:
            lost.append(done)
            raise FailedError("the connection broke")
        return done

    monkeypatch.setattr(Repository, "push", once)
    with pytest.raises(FailedError):
        push(place, change(A))
    assert push(place, change(A)) == ("", "main", False)
    assert bare.log() == [f"Promote digits {A}", "first"]
