"""What a command line cannot mean is refused before the work: status 2, and a reason."""

import importlib
import json

import pytest
import torch

FILES = {  # commands that write a file, and those that write to a folder
    "fairness.compare.__main__": ["--quick"],
    "moe.compare.__main__": ["--steps", "1"],
    "ssl.study_duality": ["--steps", "1"],
    "ssl.study_psco": ["--quick"],
    "ssl.study_tradeoff.__main__": ["--quick"],
}
FOLDERS = {
    "few_shot.study": ["--quick", "--data", "digits"],
    "ssl.train": ["--steps", "1"],
    "tour.__main__": ["--only", "race"],
}


def refusal(command, arguments, capsys):
    """What a command prints before it stops with the status of a wrong command line."""
    main = importlib.import_module(f"ml_apps.{command}").main
    with pytest.raises(SystemExit) as stopped:
        main([str(a) for a in arguments])
    assert stopped.value.code == 2
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("command", [*FILES, *FOLDERS])
def test_an_output_below_a_file_is_refused_before_the_work(command, tmp_path, capsys):
    file = tmp_path / "file"
    file.touch()
    out = file / ("run.json" if command in FILES else "run")
    text = refusal(command, [*(FILES | FOLDERS)[command], "--out", out], capsys)
    assert "argument --out: must be where files can be written; got" in text


@pytest.mark.parametrize("command", FILES)
def test_a_folder_is_no_file(command, tmp_path, capsys):
    text = refusal(command, [*FILES[command], "--out", tmp_path], capsys)
    assert "argument --out: must be a file; got the folder" in text


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("fairness.compare.__main__", "--seeds"),
        ("few_shot.study", "--seeds"),
        ("moe.compare.__main__", "--seeds"),
        ("moe.compare.__main__", "--steps"),
        ("ssl.study_duality", "--limit"),
        ("ssl.study_duality", "--seeds"),
        ("ssl.study_duality", "--steps"),
        ("ssl.study_psco", "--seeds"),
        ("ssl.train", "--batch"),
        ("ssl.train", "--limit"),
        ("ssl.train", "--steps"),
    ],
)
def test_counts_are_positive(command, option, tmp_path, capsys):
    for value in ("0", "-3", "1.5"):
        text = refusal(command, [option, value, "--out", tmp_path / "run"], capsys)
        assert f"argument {option}: must be an integer >= 1; got '{value}'" in text


@pytest.mark.parametrize("command", ["few_shot.study", "ssl.study_duality", "ssl.train"])
def test_data_that_there_are_not(command, tmp_path, capsys):
    text = refusal(command, ["--data", "nosuch", "--out", tmp_path / "run"], capsys)
    assert "argument --data: invalid choice: 'nosuch'" in text
    assert "digits" in text[text.index("invalid choice") :]


def test_few_shot_names_the_methods(tmp_path, capsys):
    arguments = ["--data", "digits", "--only", "nosuch", "--out", tmp_path]
    text = refusal("few_shot.study", arguments, capsys)
    assert "--only: must be one of greedy, guess, lenet, pattern, sgd, sgd_paper; got 'nosu" in text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "--config: must be a JSON file; got"),
        ("{", "--config: must be a JSON file; got"),
        ("[1]", "--config: must hold an object of fields; got [1]"),
        ('{"depth": 3}', "--config: no such field: depth; there are batch, crops, data, device,"),
        ('{"steps": 0}', "Config: steps must be > 0; got 0"),
        ('{"data": "nosuch"}', "load_data: name must be one of 'digits', 'mnist'"),
        ('{"optimizer": "nosuch"}', "optimizer must be one of"),
        ('{"settings": {"nosuch": 1}}', "nosuch"),
    ],
)
def test_configurations_that_cannot_be_used(content, words, tmp_path, capsys):
    path = tmp_path / "config.json"
    if content is not None:
        path.write_text(content)
    assert words in refusal("ssl.train", ["--config", path], capsys)


def test_devices_that_are_not_here(tmp_path, capsys):
    assert "--device: must be one that PyTorch can use here; got 'nosuch'" in refusal(
        "ssl.train", ["--device", "nosuch"], capsys
    )
    if not torch.cuda.is_available():
        text = refusal("ssl.train", ["--device", "cuda"], capsys)
        assert "--device: must be one that PyTorch can use here; got 'cuda'" in text


def test_no_minutes_are_none(tmp_path):
    from ml_apps.moe.compare.__main__ import main

    assert main(["--minutes", "0", "--out", str(tmp_path / "run.json")]) == 0
    assert not (tmp_path / "run.json").exists()


def test_a_checkpoint_of_another_run_is_refused(tmp_path, capsys):
    main = importlib.import_module("ml_apps.ssl.train").main
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"widths": [8, 4]}))
    arguments = ["--config", config, "--limit", 200, "--out", tmp_path / "run"]
    assert main([str(a) for a in (*arguments, "--steps", 1)]) == 0
    text = refusal("ssl.train", [*arguments, "--steps", 2], capsys)
    assert "belongs to another configuration" in text
