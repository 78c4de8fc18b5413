"""Every error a user can cause is one line and exit code 2; a bug of ours keeps its traceback."""

from __future__ import annotations

import pytest
from cyclopts import App

from ecg_core import errors
from ecg_core.cli import app as module
from ecg_core.cli.main import main
from ecg_core.discovery.registries import COMMANDS

NAMED = [getattr(errors, name) for name in errors.__all__]
OURS = [kind for kind in NAMED if isinstance(kind, type) and issubclass(kind, errors.ECGError)]


@pytest.fixture
def failing(ecg):
    """Run a command that raises this."""
    with COMMANDS.isolated():

        def run(error: BaseException, *words: str):
            def boom() -> None:
                raise error

            COMMANDS.add(boom, "boom", override=True)
            return ecg("boom", *words)

        yield run


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_each_of_our_errors_is_one_line_and_exit_code_2(failing, kind: type[Exception]) -> None:
    said = failing(kind("the file x is damaged; write it again"))
    assert said == (2, "", "ecg: the file x is damaged; write it again\n")


def test_an_error_of_the_disk_names_the_file(failing) -> None:
    said = failing(PermissionError(13, "Permission denied", "/data/x"))
    assert said == (2, "", "ecg: [Errno 13] Permission denied: '/data/x'\n")


@pytest.mark.parametrize(
    "message",
    [
        "config [bold]x[/bold] [/]", "a list [1, 2] and \\[3]", "C:\\[old]\\", "path:heart:smile:", "[link=x]y[/link]",
        "'[' is unbalanced", "100 % of [red]", "a" * 300,
    ],
)  # fmt: skip
def test_messages_are_printed_as_they_are(failing, message: str) -> None:
    """Neither brackets nor colons nor backslashes are markup, and no line is broken."""
    assert failing(errors.DataError(message)).error == f"ecg: {message}\n"


@pytest.mark.parametrize(
    ("package", "line"),
    [
        ("torch", "this needs torch, which is not installed: pip install 'ecg-core[torch]'"),
        ("torch.nn", "this needs torch, which is not installed: pip install 'ecg-core[torch]'"),
        ("safetensors", "this needs safetensors, which is not installed: pip install 'ecg-core[torch]'"),
        ("matplotlib", "this needs matplotlib, which is not installed: pip install 'ecg-core[plots]'"),
    ],
)
def test_a_missing_extra_gives_its_install_line(failing, package: str, line: str) -> None:
    said = failing(ModuleNotFoundError(f"No module named '{package}'", name=package))
    assert said == (2, "", f"ecg: {line}\n")


def test_any_other_missing_module_keeps_its_traceback(failing) -> None:
    with pytest.raises(ModuleNotFoundError, match="ecg_absent"):
        failing(ModuleNotFoundError("No module named 'ecg_absent'", name="ecg_absent"))


@pytest.mark.parametrize("error", [KeyError("a"), IndexError("list index out of range"), RuntimeError("x"), ValueError("x")])
def test_a_bug_keeps_its_traceback(failing, error: Exception) -> None:
    """A ValueError from code that is not ours is no message for a user either: this test module is not ours."""
    with pytest.raises(type(error)):
        failing(error)


@pytest.mark.parametrize(("error", "shown"), [(ValueError, True), (TypeError, True), (KeyError, False), (IndexError, False)])
def test_argument_checks_of_our_packages_are_for_users_and_missing_keys_are_not(error: type[Exception], shown: bool) -> None:
    code = compile("raise error('frequency must be positive, got -1')", "ecg_preproc/x.py", "exec")
    try:
        exec(code, {"__name__": "ecg_preproc.x", "error": error})
    except Exception as caught:
        assert module._is_for_users(caught) is shown


def test_debug_keeps_the_traceback(failing, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.DataError):
        failing(errors.DataError("x"), "--debug")
    monkeypatch.setenv("ECG_DEBUG", "1")
    with pytest.raises(errors.DataError):
        failing(errors.DataError("x"))


def test_an_interruption_leaves_with_130(failing) -> None:
    assert failing(KeyboardInterrupt()) == (130, "", "ecg: interrupted\n")
    assert failing(KeyboardInterrupt("saved in runs/[1]")) == (130, "", "ecg: saved in runs/[1]\n")


def test_words_come_from_the_process_when_none_are_given(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr("sys.argv", ["ecg", "--version"])
    with pytest.raises(SystemExit) as left:
        main()
    assert (left.value.code, capsys.readouterr().out.strip()) == (0, module.__version__)


@pytest.mark.parametrize("name", module.BUILT_IN)
def test_every_built_in_command_has_help_for_every_argument(ecg, name: str) -> None:
    said = ecg(name, "--help")
    assert said.code == 0
    assert f"Usage: ecg {name}" in said.out
    assert module._SUMMARY[name].split(",")[0] in " ".join(said.out.split())


def test_building_the_command_line_gives_an_app_per_call() -> None:
    assert isinstance(module.app(), App)
    assert module.app() is not module.app()


def test_a_pipeline_file_that_is_no_list_of_transforms_is_refused(ecg, tmp_path) -> None:
    file = tmp_path / "pipeline.json"
    for text, message in (
        ('{"name": "bandpass"}', "holds dict, a pipeline is a list of transforms"),
        ("[", "pipeline.json:1:2: not JSON"),
    ):
        file.write_text(text, encoding="utf-8")
        said = ecg("prep", tmp_path, tmp_path / "out", "--pipeline", file)
        assert (said.code, message in said.error) == (2, True)


def test_prep_without_an_output_says_that_it_takes_two_folders(ecg, tmp_path) -> None:
    said = ecg("prep", tmp_path)
    assert (said.code, "takes two folders" in said.error) == (2, True)


@pytest.mark.parametrize(("level", "mark", "code"), [("ok", "✓", 0), ("note", "·", 0), ("problem", "✗", 1)])
def test_doctor_marks_what_it_finds_and_leaves_with_1_if_something_is_broken(
    ecg, monkeypatch: pytest.MonkeyPatch, level: str, mark: str, code: int
) -> None:
    from ecg_core.run import doctor

    found = [doctor.Diagnostic(level, "pip install 'ecg-core[plots]' :heart:")]
    monkeypatch.setattr(doctor, "doctor", lambda: found)
    assert ecg("doctor") == (code, f"{mark} pip install 'ecg-core[plots]' :heart:\nnext: ecg demo wfdb/\n", "")
