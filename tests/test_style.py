"""StyleGAN2's layers and penalty against what the paper's equations give by hand."""

import pytest
import torch
from torch import nn

from ganbench import path_length
from ganbench.errors import UsageError
from ganbench.nets import style
from ganbench.variant import Batch, Networks, Space
from ganbench.variants import stylegan2

VARIANT = stylegan2.VARIANT
SIZES = [8, 16, 28, 32, 64, 128]


@pytest.mark.parametrize("demodulate", [True, False])
def test_modulated_convolution_equals_explicit_weights_of_each_sample(demodulate):
    torch.manual_seed(0)
    layer = style.ModulatedConv2d(3, 4, 3, 5, demodulate).double()
    x, w = torch.randn(2, 3, 6, 6, dtype=torch.float64), torch.randn(2, 5, dtype=torch.float64)
    expected = []
    for one, its_w in zip(x, w, strict=True):
        s = layer.style.weight @ its_w / 5**0.5 + layer.style.bias
        weight = s[None, :, None, None] * layer.conv.weight / 27**0.5  # equation 1; 27 = 3 maps of 3 x 3
        if demodulate:
            weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()  # equation 3
        expected.append(nn.functional.conv2d(one[None], weight, padding=1)[0])
    torch.testing.assert_close(layer(x, w), torch.stack(expected), rtol=1e-12, atol=1e-12)  # float64 roundings


def test_equalised_layers_scale_their_weights_at_run_time():
    layer = style.EqualLinear(4, 1, rate=0.5, bias=3.0).double()
    assert layer.bias.item() == 6  # 3 / 0.5
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
    # 0.5 / sqrt(4) = 0.25 a weight, and 0.5 * 6 = 3 of the bias: 0.25 * (1 + 2 + 3 + 4) + 3 = 5.5
    assert layer(torch.ones(1, 4, dtype=torch.float64)).item() == 5.5
    conv = style.EqualConv2d(4, 1, 1).double()
    with torch.no_grad():
        conv.weight.fill_(3.0)
        conv.bias.fill_(1.0)
    assert conv(torch.ones(1, 4, 1, 1, dtype=torch.float64)).item() == 7  # 4 * 3 / sqrt(4) + 1


def test_equalised_layers_start_at_a_gain_of_one():
    torch.manual_seed(0)
    layer = style.EqualLinear(1000, 1000, rate=0.01)
    # With the rate taken out, outputs of N(0, 1) inputs have variance 1. Ten inputs of 1000 numbers have a mean square known
    # to sqrt(2 / 10^4), and so their 10^4 outputs': a standard deviation within 1.4 %; five such are 7 %.
    assert abs(layer(torch.randn(10, 1000)).std().item() - 1) < 0.07


class LinearGenerator:
    """Images A w of 1 x 2 x 2 pixels, for w = the first two numbers of z, plus the shift."""

    matrix = torch.tensor([[1.0, 0.0, 2.0, 0.0], [0.0, 3.0, 0.0, 1.0]], dtype=torch.float64)  # (w, pixels)

    def __call__(self, z, shift=None):
        w = z[:, :2] if shift is None else z[:, :2] + shift
        return (w @ self.matrix).unflatten(1, (1, 2, 2))


def test_path_lengths_of_a_linear_generator():
    y = torch.tensor([[1.0, 1.0, 1.0, -1.0], [0.0, 2.0, 2.0, 0.0]], dtype=torch.float64).reshape(2, 1, 2, 2)
    _, lengths = path_length.lengths(LinearGenerator(), torch.zeros(2, 5, dtype=torch.float64), 2, y)
    # J_w^T y / sqrt(4): (1 + 2, 3 - 1) / 2 = (1.5, 1), of length sqrt(3.25); (4, 6) / 2 = (2, 3), of length sqrt(13)
    expected = torch.tensor([3.25, 13.0], dtype=torch.float64).sqrt()
    torch.testing.assert_close(lengths, expected, rtol=1e-9, atol=0.0)  # 1e-12 stands under the root


def test_the_path_phase_moves_its_mean_and_weighs_equation_4():
    style_size, pixels = 2, style.noise_pixels((1, 8, 8))
    (phase,) = [phase for phase in VARIANT.phases if phase.name == "path"]
    mean = path_length.RunningMean().double()
    real = torch.zeros(2, 1, 8, 8, dtype=torch.float64)

    def generator(z, shift=None):  # every pixel is the first number of w
        w = z[:, :style_size] if shift is None else z[:, :style_size] + shift
        return w[:, :1, None, None].expand(-1, 1, 8, 8)

    networks = Networks({"generator": generator, "discriminator": lambda x: 0 * x.sum((1, 2, 3)), "path_mean": mean})
    noise = torch.stack([torch.ones(1, 8, 8), torch.full((1, 8, 8), 2.0)]).double()
    batch = Batch(real=real, z=torch.zeros(2, style_size + pixels, dtype=torch.float64), noise={"path": noise})
    loss, watched = phase.objective(networks, batch)
    # Lengths 64 / 8 = 8 and 16, mean 12; a = 0.01 * 12 = 0.12. Penalty ((8 - 0.12)^2 + (16 - 0.12)^2) / 2 = 157.1344, times
    # 4 and gamma_pl = ln 2 / (ln 8 - ln 2) = 1 / 2, and log 2 for D = 0.
    assert mean.mean.item() == pytest.approx(0.12, rel=1e-12)
    assert watched["penalty"].item() == pytest.approx(157.1344, rel=1e-9)
    assert loss.item() == pytest.approx(2 * 157.1344 + 0.6931471805599453, rel=1e-9)


def test_the_lazy_discriminator_phase_weighs_r1():
    (phase,) = [phase for phase in VARIANT.phases if phase.name == "r1"]
    real = torch.zeros(4, 1, 8, 8, dtype=torch.float64)
    networks = Networks({"generator": lambda z: real + z[:, :1, None, None], "discriminator": lambda x: 3 * x[:, 0, 0, 0]})
    loss, _ = phase.objective(networks, Batch(real=real, z=torch.zeros(4, 1, dtype=torch.float64)))
    # gamma = 0.0002 * 64 / 4 = 0.0032, R1 = 3^2 / 2, 16 times: 0.2304; and 2 log 2 where all logits are 0
    assert loss.item() == pytest.approx(0.2304 + 2 * 0.6931471805599453, rel=1e-12)


def test_penalties_come_every_16th_and_every_4th_step():
    assert {phase.name: phase.every for phase in VARIANT.phases} == {"d": 1, "r1": 16, "g": 1, "path": 4}
    steps = {phase.name: phase.lr(VARIANT.recipe) for phase in VARIANT.phases}  # 2e-3 times 16/17 and 4/5
    assert steps == pytest.approx({"d": 1.88235294e-3, "r1": 1.88235294e-3, "g": 1.6e-3, "path": 1.6e-3}, rel=1e-8)


def test_the_weight_of_the_path_length_at_the_papers_resolution():
    # Appendix B: gamma_pl = ln 2 / (r^2 (ln r - ln 2)) for y of variance 1; here y is divided by r, so r^2 falls away. At 1,024
    # pixels it is ln 2 / (10 ln 2 - ln 2) = 1 / 9, which is the code's 2 over its 2 log2(1024) - 2 = 18 layers.
    assert path_length.weight(torch.empty(1, 3, 1024, 1024)) == pytest.approx(1 / 9, rel=1e-12)


@pytest.mark.parametrize("size", SIZES)
def test_every_size_has_networks_and_the_generator_is_a_function_of_z(size):
    space = Space((3, size, size))
    recipe = VARIANT.recipe_for(space)
    networks = VARIANT.networks(space, recipe)
    z = torch.randn(2, recipe.latent_size)
    with torch.no_grad():
        images = networks["generator"](z)
        assert images.shape == (2, 3, size, size)
        assert torch.equal(images, networks["generator"](z))
        assert networks["discriminator"](images).shape == (2,)


def test_noise_is_the_tail_of_z_and_the_style_is_normalised():
    torch.manual_seed(0)
    generator = style.generator((1, 8, 8), 64 + 144).double()  # 144 = 4 x 4 + 2 * 8 x 8
    z = torch.randn(2, 208, dtype=torch.float64)
    other = torch.cat([2 * z[:, :64], torch.randn(2, 144, dtype=torch.float64)], 1)
    before = generator(z)
    # At the start the strengths are 0; what is left of the twice as long style is the 1e-8 under the root.
    torch.testing.assert_close(generator(other), before, rtol=0.0, atol=1e-6)
    with torch.no_grad():
        for layer in generator.layers:
            layer.strength.fill_(1.0)
    assert (generator(other) - generator(z)).abs().max() > 1e-2
    shifted = generator(z, torch.zeros(2, 64, dtype=torch.float64))
    assert torch.equal(shifted, generator(z))


def test_the_discriminator_compares_the_batch():
    torch.manual_seed(0)
    discriminator = style.discriminator((1, 8, 8)).double()
    x = torch.randn(4, 1, 8, 8, dtype=torch.float64)
    assert (discriminator(x)[0] - discriminator(x[:1])[0]).abs() > 1e-6


def test_points_and_small_latents_are_refused_in_a_sentence():
    assert VARIANT.supports(Space((2,))).endswith(".")
    with pytest.raises(UsageError, match="no room for a style"):
        style.generator((1, 8, 8), 144)
    with pytest.raises(UsageError, match="30 x 30"):
        style.discriminator((1, 30, 30))
