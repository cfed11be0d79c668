"""`gleaner schedules` as a command."""

from tests.pipelines.kubeflow.gitops import NIGHTLY, OURS, write_git
from tests.pipelines.kubeflow.kfp_server import serve
from tests.pipelines.kubeflow.test_submit import call


def test_schedules_by_command(tmp_path, capsys, monkeypatch):
    file = str(write_git(tmp_path, {"nightly": NIGHTLY}))
    with serve(multi_user=True, tokens={"secret"}) as server:
        (tmp_path / "token").write_text("secret", encoding="ascii")
        for name, value in {
            "ENDPOINT": server.url,
            "NAMESPACE": "team",
            "SA_TOKEN_PATH": str(tmp_path / "token"),
        }.items():
            monkeypatch.setenv(f"KF_PIPELINES_{name}", value)
        assert call("schedules", "plan", "--file", file) == 0
        assert (
            capsys.readouterr().out.splitlines()[-1]
            == "1 to create, 0 to enable, 0 to disable, 0 to delete; 1 schedules in Git"
        )
        assert server.writes() == []
        assert call("schedules", "apply", "--file", file, "--prune") == 0
        assert (
            capsys.readouterr().out.splitlines()[-1]
            == "1 schedules as in Git: 1 created, 0 enabled, 0 disabled, 0 deleted"
        )
        assert len(server.enabled(OURS)) == 1
        (tmp_path / "token").write_text("expired", encoding="ascii")
        assert call("schedules", "apply", "--file", file) == 2
        said = capsys.readouterr().err
        assert said.startswith(
            f"error: {server.url}: the token in {tmp_path / 'token'} is not accepted, it may have expired"
        )
        assert "expired\n" not in said
        assert said.count("\n") == 1


def test_five_fields_by_command(tmp_path, capsys):
    file = write_git(tmp_path, {"nightly": {**NIGHTLY, "cron": "30 2 * * *"}})
    with serve() as server:
        assert call("schedules", "apply", "--file", str(file), "--host", server.url) == 2
        assert server.log == []
    assert "with 5 fields, expected six" in capsys.readouterr().err
