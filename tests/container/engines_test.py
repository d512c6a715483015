"""container-run.sh with container engines."""

from pathlib import Path

import pytest

from tests.container.machine import Machine

# Runs the command that follows the image's name, as an engine would.
ENGINE = """
case $1 in
  info) exit {info} ;;
  image) exit {image} ;;
  build) echo "building" && exit {build} ;;
  run)
    while [[ $1 != ic-container:* ]]; do shift; done
    shift
    exec "$@"
    ;;
esac
"""


def engine(info: int = 0, image: int = 1, build: int = 0) -> str:
    return ENGINE.format(info=info, image=image, build=build)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize("name", ["docker", "podman"])
def test_builds_the_image_once_and_runs_in_it(machine: Machine, name: str) -> None:
    machine.stand_in(name, engine())
    result = machine.run("sh", "-c", 'cat; printf "<%s>" "$@"; exit 42', "sh", "a b", "", "*", "it's", stdin="input ")
    assert (result.returncode, result.stdout) == (42, "input <a b><><*><it's>")
    build, run = (next(call for call in machine.calls(name) if call[0] == verb) for verb in ("build", "run"))
    assert build[-1] == str(machine.repository / "gitlab-ci" / "container")
    image = build[build.index("--tag") + 1]
    assert run[run.index(image) + 1 :] == ["sh", "-c", 'cat; printf "<%s>" "$@"; exit 42', "sh", "a b", "", "*", "it's"]
    assert f"type=bind,source={machine.repository},target=/ic" in run
    assert "--tty" not in run

    machine.stand_in(name, engine(image=0))
    machine.run("true")
    assert len([call for call in machine.calls(name) if call[0] == "build"]) == 1


def test_an_engine_that_does_not_answer_is_passed_over(machine: Machine) -> None:
    machine.stand_in("docker", engine(info=1))
    machine.stand_in("podman", engine())
    assert machine.run("true").returncode == 0
    assert [call[0] for call in machine.calls("docker")] == ["info"]
    assert "run" in [call[0] for call in machine.calls("podman")]


def test_without_any_engine_that_answers_bubblewrap_is_wanted(machine: Machine) -> None:
    machine.stand_in("docker", engine(info=1))
    result = machine.run("true")
    assert result.returncode == 2
    assert "missing on this machine: bubblewrap" in result.stderr


def test_an_image_that_cannot_be_built(machine: Machine) -> None:
    machine.stand_in("docker", engine(build=7))
    result = machine.run("true")
    assert result.returncode == 2
    assert "container-run: docker could not build ic-container:" in result.stderr
    assert result.stderr.endswith("(hint: IC_CONTAINER_ENGINE=bwrap does without docker)\n")


def test_an_engine_can_be_named(machine: Machine) -> None:
    machine.stand_in("docker", engine())
    machine.stand_in("podman", engine())
    assert machine.run("true", IC_CONTAINER_ENGINE="podman").returncode == 0
    assert machine.calls("docker") == []
    result = machine.run("true", IC_CONTAINER_ENGINE="lxc")
    assert (result.returncode, result.stderr) == (
        2,
        "container-run: IC_CONTAINER_ENGINE is lxc (hint: it may be docker, podman or bwrap)\n",
    )


def test_ways_to_registries_reach_inside_and_the_rest_does_not(machine: Machine) -> None:
    machine.stand_in("docker", engine())
    bundle = machine.folder / "bundle.pem"
    bundle.write_text("certificates")
    given = {
        "PIP_INDEX_URL": "http://pip.test",
        "https_proxy": "http://proxy.test",
        "SECRET": "s",
        "SSL_CERT_FILE": str(bundle),
    }
    machine.run("true", **given)
    run = next(call for call in machine.calls("docker") if call[0] == "run")
    variables = [run[i + 1] for i, word in enumerate(run) if word == "--env"]
    assert {"PIP_INDEX_URL=http://pip.test", "https_proxy=http://proxy.test", "HOME=/home/builder"} <= set(variables)
    assert not any(variable.startswith("SECRET") for variable in variables)
    assert "SSL_CERT_FILE=/run/certificates/SSL_CERT_FILE" in variables
    assert f"type=bind,source={bundle},target=/run/certificates/SSL_CERT_FILE,readonly" in run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--unknown"], "unknown option --unknown (hint: container-run.sh --help lists them)"),
        (["--as-root", "true"], "--as-root is for root (hint: start it as root)"),
    ],
)
def test_bad_options(machine: Machine, arguments: list[str], message: str) -> None:
    result = machine.run(*arguments)
    assert (result.returncode, result.stderr) == (2, f"container-run: {message}\n")


def test_help(machine: Machine) -> None:
    result = machine.run("--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("usage: container-run.sh [OPTION] [COMMAND [ARGUMENT...]]")
