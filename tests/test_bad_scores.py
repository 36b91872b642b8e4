"""Bad input to `ganbench score`: a sentence, a fix, an exit code, and no number."""

import json
import pickle
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganbench.cli import main

Outcome = tuple[int, str, str]


@pytest.fixture
def score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run `ganbench score` in an empty folder: exit code, stdout, stderr with single spaces."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["ganbench", "score", *words, "--device", "cpu"])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        return code, out, " ".join(err.split())

    return run


def refused(outcome: Outcome, code: int, *said: str) -> None:
    found, out, err = outcome
    assert found == code, err
    assert out == ""
    assert "Traceback" not in err
    for words in said:
        assert words in err, err


def save_features(name: str, rows: np.ndarray) -> None:
    np.save(name, rows)


def rows(count: int = 30, width: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, width))


def save_images(folder: str, count: int = 12, side: int = 8) -> None:
    Path(folder).mkdir()
    for index in range(count):
        pixels = np.random.default_rng(index).integers(0, 256, (side, side), dtype=np.uint8)
        Image.fromarray(pixels).save(f"{folder}/{index:02d}.png")


FEATURES = ("--features", "--metrics", "fd", "--reference", "real.npy")
DIGITS = ("--reference", "digits", "--extractor", "digits-cnn", "--metrics", "fd")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_features_that_are_no_numbers(score: Callable[..., Outcome], bad: float) -> None:
    save_features("real.npy", rows())
    made = rows()
    made[[7, 19], 2] = bad
    save_features("made.npy", made)
    refused(score("made.npy", *FEATURES), 4, "2 of 30 rows", "row 7")


def test_features_that_overflow(score: Callable[..., Outcome]) -> None:
    save_features("real.npy", rows())
    save_features("made.npy", rows() * 1e200)
    refused(score("made.npy", *FEATURES), 4, "too large")


def test_one_sample(score: Callable[..., Outcome]) -> None:
    save_features("real.npy", rows())
    save_features("made.npy", rows(1))
    refused(score("made.npy", *FEATURES), 4, "fewer than two")


def test_another_number_of_features(score: Callable[..., Outcome]) -> None:
    save_features("real.npy", rows())
    save_features("made.npy", rows(width=5))
    refused(score("made.npy", *FEATURES), 2, "compare samples of one shape")


def test_statistics_of_another_width(score: Callable[..., Outcome]) -> None:
    np.savez("stats.npz", mu=np.zeros(5), sigma=np.eye(5))
    save_features("made.npy", rows())
    refused(score("made.npy", "--features", "--metrics", "fd", "-r", "stats.npz"), 4, "4 features and the reference 5")


def test_an_empty_folder(score: Callable[..., Outcome]) -> None:
    Path("empty").mkdir()
    refused(score("empty", *DIGITS), 4, "empty holds no images")


def test_one_unreadable_image_among_many(score: Callable[..., Outcome]) -> None:
    save_images("made")
    whole = Path("made/05.png").read_bytes()
    Path("made/05.png").write_bytes(whole[: len(whole) // 2])
    refused(score("made", *DIGITS), 4, "made/05.png", "--skip-bad")
    code, out, err = score("made", *DIGITS, "--skip-bad")
    assert code == 0, err
    assert "11 of folder:made against" in out
    assert "1 of the 12 images" in out


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_truncated_archive(score: Callable[..., Outcome], kind: str) -> None:
    save_images("made")
    name = f"made.{kind}"
    with zipfile.ZipFile(name, "w") if kind == "zip" else tarfile.open(name, "w") as archive:
        for path in sorted(Path("made").iterdir()):
            archive.write(path) if isinstance(archive, zipfile.ZipFile) else archive.add(path)
    whole = Path(name).read_bytes()
    Path(name).write_bytes(whole[: len(whole) // 3])
    refused(score(name, *DIGITS), 4, name)


def test_a_truncated_array(score: Callable[..., Outcome]) -> None:
    np.savez("made.npz", np.zeros((20, 8, 8, 1), np.uint8))
    whole = Path("made.npz").read_bytes()
    Path("made.npz").write_bytes(whole[: len(whole) // 2])
    refused(score("made.npz", *DIGITS), 4, "made.npz")


def test_a_decompression_bomb(score: Callable[..., Outcome]) -> None:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    save_images("made")
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    Path("made/bomb.png").write_bytes(content)
    refused(score("made", *DIGITS), 4, "made/bomb.png", "pixels")


@pytest.mark.parametrize(
    ("sigma", "said"), [([[1.0, 0.5], [0.0, 1.0]], "not symmetric"), ([[1.0, 2.0], [2.0, 1.0]], "positive semi-definite")]
)
def test_statistics_that_are_no_covariance(score: Callable[..., Outcome], sigma: list[list[float]], said: str) -> None:
    np.savez("stats.npz", mu=np.zeros(2), sigma=np.array(sigma))
    save_features("made.npy", rows(width=2))
    refused(score("made.npy", "--features", "--metrics", "fd", "-r", "stats.npz"), 4, said)


GENERATORS = """
import torch

def flat(z):
    return z

def bright(z):
    return torch.full((len(z), 1, 8, 8), 3.0)

def broken(z):
    return torch.full((len(z), 1, 8, 8), float("nan"))

def leaves(z):
    raise SystemExit(0)

def backwards(z):
    return torch.zeros(len(z), 1, 8, 8).numpy().astype(object)

def loud(z):
    print("loud")
    return torch.rand(len(z), 1, 8, 8, generator=torch.Generator().manual_seed(0)).numpy()[::-1]

CALLS = []

def fickle(z):
    CALLS.append(len(z))
    return torch.zeros(len(z), 1, 8, 8 + len(CALLS) // 3)
"""


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("bright", 4, "--range"),
        ("broken", 4, "NaN"),
        ("missing", 2, "missing"),
        ("leaves", 4, "SystemExit"),
        ("backwards", 4, "an array of object"),
    ],
)
def test_a_generator_that_gives_what_it_should_not(
    score: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, code: int, said: str
) -> None:
    module = f"made_{tmp_path.name}".replace("-", "_")
    Path(f"{module}.py").write_text(GENERATORS)
    monkeypatch.syspath_prepend(str(tmp_path))
    refused(score(f"{module}:{name}", *DIGITS, "--latent-dim", "4", "--n", "20"), code, said)


def test_a_generator_of_another_shape(score: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = f"made_{tmp_path.name}".replace("-", "_")
    Path(f"{module}.py").write_text(GENERATORS)
    monkeypatch.syspath_prepend(str(tmp_path))
    refused(score(f"{module}:flat", *DIGITS, "--latent-dim", "4", "--n", "20"), 2, "compare samples of one shape")
    refused(score(f"{module}:fickle", *DIGITS, "--latent-dim", "4", "--n", "900"), 4, "(256, 1, 8, 9)", "mend the generator")


def test_what_a_generator_prints_does_not_mix_with_results(
    score: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module = f"made_{tmp_path.name}".replace("-", "_")
    Path(f"{module}.py").write_text(GENERATORS)
    monkeypatch.syspath_prepend(str(tmp_path))
    code, out, err = score(f"{module}:loud", *DIGITS, "--latent-dim", "4", "--n", "40", "--json")
    assert code == 0, err
    assert set(json.loads(out)["scores"]) == {"fd-digits-cnn"}
    assert "loud" in err


class Rude:
    """An object whose unpickling runs a program."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return Path.write_text, (Path("pwned"), "ran")  # type: ignore[return-value]  # a pickle may hold any call


def test_a_checkpoint_that_holds_code(score: Callable[..., Outcome]) -> None:
    torch.save({"generator": Rude()}, "made.pt")
    refused(score("made.pt", *DIGITS, "--latent-dim", "4", "--model", "torch.nn:Identity"), 4, "made.pt", "--trust")
    Path("weights.pth").write_bytes(pickle.dumps(Rude()))
    words = ("digits:test", "-r", "digits", "--extractor", "inception-v3-compat", "--weights", "weights.pth")
    refused(score(*words), 4, "weights.pth")
    assert not Path("pwned").exists()


def test_weights_that_are_not_there(score: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: (_ for _ in ()).throw(OSError("no network")))
    refused(score("digits:test", "-r", "digits", "--extractor", "inception-v3-compat"), 3, "https://", "--weights")
    refused(score("digits:test", "-r", "digits", "--extractor", "vgg16", "--metrics", "precision"), 3, "https://", "--weights")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("digits:test", *DIGITS, "--range", "1,-1"), 2, "--range 1,-1 is no range"),
        (("digits:test", *DIGITS, "--range", "wide"), 2, "--range wide is no range"),
        (("digits:test", *DIGITS, "--range", "-1e308,1e308"), 2, "--range -1e308,1e308 is no range"),
        (("~nobody-has-this-name/a.npy", *DIGITS), 2, "home folder that is not known"),
        (("digits:test", *DIGITS, "--cache", "~nobody-has-this-name"), 2, "home folder that is not known"),
        (("torch.nn:Identity", *DIGITS, "--latent-dim", "4", "--n", "1000000000000000"), 2, "do not fit into memory"),
        (("a.pth", *DIGITS, "--model", "torch"), 3, "a.pth"),
        (("digits:test", "-r", "digits", "--extractor", "a:b:c"), 2, "a:b:c"),
        (("digits:test", *DIGITS, "--cache", "c", "--no-cache"), 2, "exclude each other"),
        (("digits:test", *DIGITS, "--cache", "/dev/null/x"), 2, "cannot be written"),
        (("digits:test", *DIGITS, "--weights", "a=b", "--weights", "a=c"), 2, "twice"),
        (("digits:test", "-r", "digits", "--metrics", ","), 2, "--metrics names none"),
        (("digits:test", "-r", "digits", "--metrics", "ppl"), 2, "latent space"),
        (("digits:test", "-r", "digits", "--metrics", "cas@none-such"), 2, "none-such"),
        (("stats.npz", "-r", "digits"), 3, "stats.npz"),
    ],
)
def test_options_that_cannot_be_right(score: Callable[..., Outcome], words: tuple[str, ...], code: int, said: str) -> None:
    refused(score(*words), code, said)
