"""Damage does exactly what it says: shares, copies, classes and pixels, each against a closed form or another library."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from torch import Generator, Tensor

from ganbench.audit import pixels, rows
from ganbench.audit.damage import Draw, Subject
from ganbench.audit.damages import DAMAGES, choose_damages
from ganbench.audit.pool import Pool, change_items, pool_of, standard_deviation
from ganbench.dataset import LoadedDataset, Location, Part, load_dataset
from ganbench.errors import UsageError

COUNT = 60
SUBJECT = Subject((1, 8, 8), classes=5, count=COUNT, scale=90.0)


def seeded(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def draw() -> Draw:
    """360 rows of 5 classes, row r of class r % 5."""
    labels = torch.arange(6 * COUNT) % 5
    return Pool(torch.zeros(6 * COUNT, 1), labels, SUBJECT).draw(seed=0, position=0)


def images(channels: int = 1, side: int = 8) -> Tensor:
    return torch.randint(0, 256, (5, channels, side, side + 1), dtype=torch.uint8, generator=seeded(3))


def test_a_split_has_no_row_twice_and_leaves_none_out(draw: Draw) -> None:
    parts = [draw.reference, draw.held_out, draw.unseen]
    assert [len(part) for part in parts] == [2 * COUNT, COUNT, 3 * COUNT]
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(6 * COUNT))
    assert torch.equal(draw.samples, draw.unseen[:COUNT])


@pytest.mark.parametrize("level", [1, 2, 4])
def test_dropped_classes_are_gone_and_others_fill_their_place(draw: Draw, level: int) -> None:
    chosen = rows.dropped(draw, level, seeded()).rows
    assert len(chosen) == COUNT
    assert len(draw.labels_of(chosen).unique()) == 5 - level
    assert torch.isin(chosen, draw.unseen).all()
    left = int((~torch.isin(draw.labels_of(draw.unseen), draw.labels_of(chosen))).logical_not().sum())
    assert len(chosen.unique()) == min(COUNT, left)


def test_one_class_is_left_whatever_the_level(draw: Draw) -> None:
    assert len(draw.labels_of(rows.dropped(draw, 9, seeded()).rows).unique()) == 1


def test_unbalanced_classes_fall_geometrically(draw: Draw) -> None:
    """Of 60 in the ratio 16 : 8 : 4 : 2 : 1, whose sum is 31, the exact shares are 30.97, 15.48, 7.74, 3.87 and 1.94."""
    counts = draw.labels_of(rows.unbalanced(draw, 16, seeded()).rows).bincount(minlength=5).sort(descending=True).values
    assert counts.tolist() == [31, 15, 8, 4, 2]


def test_largest_remainders() -> None:
    assert rows.apportion(torch.tensor([1.0, 1.0, 1.0]), 8).tolist() == [3, 3, 2]
    assert rows.apportion(torch.tensor([5.0, 3.0, 2.0]), 100).tolist() == [50, 30, 20]


@pytest.mark.parametrize("copies", [2, 7, 32])
def test_repeats_are_few_samples_many_times(draw: Draw, copies: int) -> None:
    different, times = rows.repeated(draw, copies, seeded()).rows.unique(return_counts=True)
    assert len(different) == -(-COUNT // copies)
    assert times.sum() == COUNT
    assert times.max() - times.min() <= 1
    assert torch.isin(different, draw.samples).all()


@pytest.mark.parametrize("share", [0.05, 0.25, 1.0])
def test_memorised_samples_are_training_items(draw: Draw, share: float) -> None:
    chosen = rows.memorised(draw, share, seeded())
    copied = torch.isin(chosen.rows, draw.reference)
    assert int(copied.sum()) == round(share * COUNT)
    assert torch.isin(chosen.rows[~copied], draw.samples).all()
    assert chosen.distinct == 1.0
    assert not chosen.changed.any()
    noisy = rows.memorised_changed(draw, share, seeded())
    assert torch.equal(noisy.changed, copied)
    assert torch.equal(noisy.rows, chosen.rows)


def test_exemplars_keep_each_class_its_share_and_show_one_item_of_it(draw: Draw) -> None:
    chosen = rows.exemplars(draw, 0.5, seeded()).rows
    assert torch.equal(draw.labels_of(chosen), draw.labels_of(draw.samples))
    replaced = chosen[: COUNT // 2]
    assert len(replaced.unique()) == len(draw.labels_of(replaced).unique()) == 5
    assert not torch.isin(replaced, draw.samples).any()
    assert torch.equal(chosen[COUNT // 2 :], draw.samples[COUNT // 2 :])


def test_fewer_samples_are_some_of_the_samples(draw: Draw) -> None:
    chosen = rows.fewer(draw, 16, seeded()).rows
    assert len(chosen) == 4
    assert torch.isin(chosen, draw.samples).all()


def test_noise_has_the_standard_deviation_that_it_says() -> None:
    """Of 200,000 points the standard deviation is within 1 % (six standard errors of 1 / sqrt(2 n))."""
    points = torch.zeros(100_000, 2)
    noisy = pixels.noise(points, 0.5, Subject((2,), 0, 10, scale=3.0), seeded())
    assert noisy.dtype == points.dtype
    assert float(noisy.std()) == pytest.approx(1.5, rel=0.01)
    assert abs(float(noisy.mean())) < 6 * 1.5 / 200_000**0.5


def test_noise_on_images_is_rounded_and_clamped() -> None:
    noisy = pixels.noise(images(), 1.0, SUBJECT, seeded())
    assert noisy.dtype == torch.uint8
    assert noisy.min() == 0
    assert noisy.max() == 255
    assert torch.equal(noisy, pixels.noise(images(), 1.0, SUBJECT, seeded()))


@pytest.mark.parametrize("sigma", [0.4, 0.8, 2.0])
@pytest.mark.parametrize("channels", [1, 3])
def test_blur_is_that_of_scipy(sigma: float, channels: int) -> None:
    """Equal to the rounding of a pixel: both sum the same weights, cut at 4 standard deviations, in another order."""
    theirs = ndimage.gaussian_filter(images(channels).numpy().astype(np.float64), sigma=(0, 0, sigma, sigma), mode="nearest")
    ours = pixels.blur(images(channels), sigma, SUBJECT, seeded())
    assert float((ours.double() - torch.from_numpy(theirs)).abs().max()) <= 0.5 + 1e-9


def test_shift_moves_pixels_to_the_right() -> None:
    moved = pixels.shift_pixels(images(), 3, SUBJECT, seeded())
    assert torch.equal(moved[..., 3:], images()[..., :-3])
    assert torch.equal(moved[..., :3], images()[..., :1].expand(-1, -1, -1, 3))


def test_shift_moves_points_along_the_first_axis() -> None:
    points = torch.randn(20, 2, generator=seeded())
    moved = pixels.shift_points(points, 0.5, Subject((2,), 0, 10, scale=3.0), seeded())
    torch.testing.assert_close(moved - points, torch.tensor([1.5, 0.0]).expand(20, 2))


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_what_pillow_writes(channels: int) -> None:
    coded = pixels.jpeg(images(channels), 50, SUBJECT, seeded())
    file = io.BytesIO()
    first = images(channels)[0].permute(1, 2, 0).numpy()
    Image.fromarray(first.squeeze()).save(file, "JPEG", quality=50)
    theirs = np.asarray(Image.open(file)).reshape(first.shape)
    assert np.array_equal(coded[0].permute(1, 2, 0).numpy(), theirs)
    assert coded.shape == images(channels).shape
    assert not torch.equal(coded, images(channels))


def test_colours_and_contrast_in_closed_form() -> None:
    grey = pixels.saturation(images(3), 1.0, SUBJECT, seeded())
    pillow = torch.from_numpy(np.stack([np.asarray(Image.fromarray(i.permute(1, 2, 0).numpy()).convert("L")) for i in images(3)]))
    assert torch.equal(grey[:, 0], grey[:, 1])
    assert torch.equal(grey[:, 0], grey[:, 2])
    assert int((grey[:, 0].int() - pillow.int()).abs().max()) <= 1  # Pillow's luma is in 16-bit fixed point, and floored
    pixel = torch.tensor([100, 100, 100], dtype=torch.uint8).view(1, 3, 1, 1)
    assert pixels.colour_cast(pixel, 0.2, SUBJECT, seeded()).flatten().tolist() == [120, 100, 80]
    pair = torch.tensor([0, 200], dtype=torch.uint8).view(1, 1, 1, 2)
    assert pixels.contrast(pair, 0.25, SUBJECT, seeded()).flatten().tolist() == [25, 175]
    assert torch.equal(pixels.invert(pixels.invert(images(), 1, SUBJECT, seeded()), 1, SUBJECT, seeded()), images())


def test_the_unit_of_noise_is_numpys_standard_deviation() -> None:
    items = torch.cat([images(3)] * 120)  # 600 items: three blocks
    assert standard_deviation(items) == pytest.approx(float(items.numpy().std(dtype=np.float64)), rel=1e-12)


def test_damages_apply_where_they_can() -> None:
    def names(*subject: object) -> set[str]:
        return {damage.name for damage in choose_damages(None, Subject(*subject))}  # type: ignore[arg-type]

    of_all = {"repeated", "memorised", "memorised-noisy", "noise", "fewer"}
    of_images = of_all | {"blur", "shift", "contrast"}
    of_classes = {"dropped", "exemplars"}
    assert names((2,), 8, 1000, 1.0) == of_all | of_classes | {"unbalanced", "shift-points"}
    assert names((1, 8, 8), 0, 300, 1.0) == of_images | {"jpeg", "inverted"}
    assert names((3, 8, 8), 1000, 1000, 1.0) == of_images | of_classes | {"jpeg", "saturation", "colour-cast"}
    assert names((4, 8, 8), 0, 300, 1.0) == of_images


def test_levels_fit_the_data() -> None:
    by_name = {damage.name: damage for damage in DAMAGES}
    assert len(by_name) == len(DAMAGES)
    assert by_name["dropped"].levels(Subject((1, 8, 8), 10, 299, 1.0)) == (1, 2, 4, 6)
    assert by_name["dropped"].levels(Subject((1, 8, 8), 2, 299, 1.0)) == (1,)
    assert by_name["shift"].levels(SUBJECT) == (1, 2, 3, 4)
    assert by_name["shift"].levels(Subject((3, 32, 32), 10, 299, 1.0)) == (1, 2, 4, 8, 12, 16)


def test_unknown_and_unfit_damages_are_named() -> None:
    with pytest.raises(UsageError, match="did you mean dropped"):
        choose_damages(["droped"], SUBJECT)
    with pytest.raises(UsageError, match="saturation does not apply"):
        choose_damages(["saturation"], SUBJECT)
    with pytest.raises(UsageError, match="No damage"):
        choose_damages([], SUBJECT)


def test_every_damage_of_the_digits_is_seeded_and_changes_something() -> None:
    pool = pool_of(load_dataset("digits", Location()), None, seed=0)
    assert pool.subject.count == 1797 // 6
    draw = pool.draw(0, 0)
    for damage in choose_damages(None, pool.subject):
        level = damage.levels(pool.subject)[-1]
        one, other = (damage.choose(draw, level, seeded()) for _ in range(2))
        assert torch.equal(one.rows, other.rows), damage.name
        assert one.changed.any() or not torch.equal(one.rows, draw.samples), damage.name
        items = change_items(pool, damage, damage.strength_at(level), seed=0)
        assert (items is None) == (damage.change is None)
        if items is not None:
            assert items.shape == pool.items.shape
            assert items.dtype == pool.items.dtype
            assert not torch.equal(items, pool.items), damage.name
            again = change_items(pool, damage, damage.strength_at(level), seed=0)
            assert again is not None
            assert torch.equal(items, again), damage.name


def test_the_pool_is_six_times_the_samples() -> None:
    part = Part("train", torch.randn(200, 2, generator=seeded()))
    small = LoadedDataset("mine", part, Part("test", torch.randn(100, 2, generator=seeded(1))))
    assert pool_of(small, None, seed=0).subject.count == 50
    assert len(pool_of(small, 40, seed=0).items) == 240
    with pytest.raises(UsageError, match="mine has 300; ask for 50 samples at most"):
        pool_of(small, 60, seed=0)
    with pytest.raises(UsageError, match="needs 32 samples or more"):
        pool_of(small, 8, seed=0)
