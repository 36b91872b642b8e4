"""The networks that variants are built from: shapes, spectral norm against linear algebra and torch's own, packing."""

import copy

import pytest
import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn.utils import parametrizations

from ganbench.errors import UsageError
from ganbench.nets import build, dcgan, mlp, norms
from ganbench.nets.pack import Packed
from ganbench.nets.spectral_norm import SpectralNorm
from ganbench.variant import Recipe, Space


@pytest.mark.parametrize(("size", "channels"), [(8, 1), (8, 3), (16, 2), (28, 1), (28, 3), (28, 6), (32, 3), (64, 1)])
@pytest.mark.parametrize("norm", [norms.none, norms.batch])
def test_dcgan_shapes_and_range(size, channels, norm):
    shape = (channels, size, size)
    images = dcgan.generator(shape, 10, norm)(10 * torch.randn(2, 10))
    assert images.shape == (2, *shape)
    assert images.abs().max() <= 1
    assert dcgan.discriminator(shape, norm)(images).shape == (2, 1)
    assert dcgan.discriminator(shape, norm, outputs=7)(images).shape == (2, 7)


def test_images_that_have_no_network():
    assert "resize" in build.supports(Space((3, 30, 30)))
    assert "resize" in build.supports(Space((3, 32, 64)))
    assert build.supports(Space((5,))) is None
    with pytest.raises(UsageError, match="30 x 30"):
        dcgan.generator((3, 30, 30), 10, norms.batch)
    with pytest.raises(UsageError, match="32 x 64"):
        dcgan.discriminator((3, 32, 64), norms.batch)


def test_dcgan_weights_start_as_the_paper_says():
    torch.manual_seed(0)
    network = dcgan.discriminator((3, 64, 64), norms.none)
    weights = torch.cat([m.weight.flatten() for m in network if isinstance(m, nn.Conv2d)])  # 2.8 million of N(0, 0.02)
    # The standard errors of a mean and a standard deviation of n numbers are s / sqrt(n) and s / sqrt(2 n); five of them.
    assert weights.mean().item() == pytest.approx(0.0, abs=5 * 0.02 / len(weights) ** 0.5)
    assert weights.std().item() == pytest.approx(0.02, abs=5 * 0.02 / (2 * len(weights)) ** 0.5)


def test_project_is_a_transposed_convolution():
    for norm in (norms.none, norms.batch):
        network = dcgan.generator((1, 8, 8), 5, norm).eval()
        project = next(m for m in network.modules() if isinstance(m, dcgan.Project))
        z = torch.randn(3, 5)
        expected = nn.functional.conv_transpose2d(z[:, :, None, None], project.weight, project.bias)
        torch.testing.assert_close(project(z), expected, rtol=1e-5, atol=1e-6)  # float32 sums of 5


def test_mlp_keeps_the_size_of_a_signal():
    torch.manual_seed(0)
    network = mlp.generator(16, 2, norms.none)
    hidden = network[:-1](torch.randn(4096, 16))  # after the last rectifier
    # He's init keeps the mean square of what enters the next layer, in expectation over weights; one draw of layers this narrow is
    # some tens of per cent off. torch's default would give 1 / 6 ** 3 of it.
    assert 0.5 < hidden.square().mean().item() < 2
    assert network(torch.randn(3, 16)).shape == (3, 2)
    assert mlp.discriminator(2, norms.none, outputs=5)(torch.randn(3, 2)).shape == (3, 5)


@pytest.mark.parametrize("layer", [nn.Linear(30, 20), nn.Conv2d(5, 20, 3, stride=2, padding=1)])
def test_spectral_norm_converges_to_the_largest_singular_value(layer):
    torch.manual_seed(0)
    layer = layer.double()
    nn.init.normal_(layer.weight)
    x = torch.randn(2, 30, dtype=torch.float64) if isinstance(layer, nn.Linear) else torch.randn(2, 5, 6, 6, dtype=torch.float64)
    exact = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)
    own = SpectralNorm(layer).double()
    for _ in range(2000):  # the error shrinks by (second / largest)^2 a step, which is below 0.95 for such a matrix
        own(x)
    # float64, with the weight divided and multiplied again
    torch.testing.assert_close(own.weight(), layer.weight / exact, rtol=1e-10, atol=0)
    torch.testing.assert_close(torch.linalg.matrix_norm(own.weight().flatten(1), 2).item(), 1.0, rtol=1e-10, atol=0)
    bias = layer.bias if isinstance(layer, nn.Linear) else layer.bias[:, None, None]
    torch.testing.assert_close(own(x) - bias, (layer(x) - bias) / exact, rtol=1e-9, atol=1e-12)


def test_spectral_norm_has_the_limit_and_the_gradient_of_torchs_own():
    torch.manual_seed(0)
    plain = nn.Linear(12, 9).double()
    theirs = nn.Linear(12, 9).double()
    theirs.load_state_dict(plain.state_dict())
    theirs = parametrizations.spectral_norm(theirs)
    own = SpectralNorm(plain).double()
    x = torch.randn(4, 12, dtype=torch.float64)
    for _ in range(3000):
        own(x), theirs(x)
    torch.testing.assert_close(own(x), theirs(x), rtol=1e-10, atol=1e-12)
    own(x).square().sum().backward()
    theirs(x).square().sum().backward()
    torch.testing.assert_close(plain.weight.grad, theirs.parametrizations.weight.original.grad, rtol=1e-8, atol=1e-10)


def test_spectral_norm_keeps_its_vector_in_training_mode_only():
    own = SpectralNorm(nn.Linear(6, 4))
    before = own.u.clone()
    own.eval()(torch.randn(2, 6))
    assert torch.equal(own.u, before)
    own.train()(torch.randn(2, 6))
    assert not torch.equal(own.u, before)


def test_spectral_norm_twice_in_one_graph_under_vmap():
    # The second pass overwrites u before the backward of the first: autograd must not have kept the buffer itself.
    torch.manual_seed(0)
    layers = [SpectralNorm(nn.Linear(6, 4)).double() for _ in range(3)]
    parameters, buffers = stack_module_state(layers)
    x = torch.randn(5, 6, dtype=torch.float64)

    def loss(parameters, buffers):
        first = functional_call(layers[0], (parameters, buffers), (x,))
        return (first * functional_call(layers[0], (parameters, buffers), (2 * x,))).sum()

    total = vmap(loss, randomness="error")(parameters, buffers)
    (slopes,) = torch.autograd.grad(total.sum(), parameters["layer.weight"])
    for index, layer in enumerate(layers):
        alone = (layer(x) * layer(2 * x)).sum()
        (slope,) = torch.autograd.grad(alone, layer.layer.weight)
        torch.testing.assert_close(total[index], alone, rtol=1e-12, atol=1e-12)  # float64 roundings
        torch.testing.assert_close(slopes[index], slope, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(buffers["u"][index], layer.u, rtol=1e-12, atol=1e-12)


def test_batch_norm_takes_the_bias_away():
    hidden = norms.batch(nn.Conv2d(3, 4, 3), True)
    assert hidden[0].bias is None
    assert "0.bias" not in hidden.state_dict()
    output = nn.Linear(3, 4)
    assert norms.batch(output, False) is output
    assert output.bias is not None


@pytest.mark.parametrize(("layer", "shape"), [(nn.BatchNorm1d(3), (5, 3)), (nn.BatchNorm2d(3), (4, 3, 2, 2))], ids=["1d", "2d"])
@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm_without_statistics_is_torchs_in_training(layer, shape, affine):
    torch.manual_seed(0)
    theirs = type(layer)(3, affine=affine).double()
    for parameter in theirs.parameters():
        nn.init.normal_(parameter)
    ours = nn.Sequential(copy.deepcopy(theirs))
    norms.keep_no_statistics(ours)
    assert not list(ours.buffers())
    assert dict(ours[0].named_parameters()).keys() == dict(theirs.named_parameters()).keys()

    x, along, again = (torch.randn(shape, dtype=torch.float64, requires_grad=True) for _ in range(3))
    results = []
    for norm in (ours, theirs):
        leaves = [x, *norm.parameters()]
        output = norm(2 + 3 * x)
        slopes = torch.autograd.grad((output * along).sum(), leaves, create_graph=True)
        # Second derivatives: torch's are formulas written by hand, ours those of single operations.
        second = torch.autograd.grad((slopes[0] * again).sum() + slopes[-1].square().sum(), [*leaves[:2], along])
        results.append([output, *slopes, *second])
    for found, expected in zip(*results, strict=True):
        assert expected.abs().max() > 1e-3
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)  # float64 roundings
    assert torch.equal(ours.eval()(x), ours.train()(x))


def test_batch_norm_without_statistics_reads_bfloat16_in_full():
    norm, full = (nn.Sequential(nn.BatchNorm1d(3)) for _ in range(2))
    for each in (norm, full):
        norms.keep_no_statistics(each)
    norms.take_statistics_in_full(norm)
    x = torch.randn(6, 3).bfloat16()
    assert torch.equal(norm(x), full(x.float()))


def test_pack_joins_neighbours_along_channels():
    seen = []

    class Seer(nn.Module):
        def forward(self, x):
            seen.append(x)
            return x.flatten(1).sum(1)

    x = torch.arange(4 * 3 * 2 * 2, dtype=torch.float32).reshape(4, 3, 2, 2)
    assert Packed(Seer(), 2)(x).shape == (2,)
    assert torch.equal(seen[0][0], torch.cat([x[0], x[1]]))  # (6, 2, 2): the channels of two samples
    assert torch.equal(seen[0][1], torch.cat([x[2], x[3]]))
    points = torch.arange(12.0).reshape(6, 2)
    assert Packed(Seer(), 3)(points).shape == (2,)
    assert torch.equal(seen[1][0], torch.arange(6.0))


def test_pack_refuses_a_batch_that_it_cannot_divide():
    with pytest.raises(UsageError, match=r"5 cannot be packed by 2"):
        Packed(nn.Flatten(0), 2)(torch.zeros(5, 2))


@pytest.mark.parametrize("space", [Space((2,)), Space((1, 8, 8))])
def test_built_networks_fit_the_space(space):
    recipe = Recipe(latent_size=7)
    samples = build.generator(space, recipe)(torch.randn(4, 7))
    assert samples.shape == (4, *space.shape)
    assert build.discriminator(space, recipe)(samples).shape == (4,)
    assert build.discriminator(space, recipe, pack=2)(samples).shape == (2,)
    assert build.encoder(space, recipe, 14)(samples).shape == (4, 14)


def test_packing_changes_the_first_layer_alone():
    for space in (Space((2,)), Space((1, 28, 28)), Space((3, 28, 28))):
        alone, packed = (dict(build.discriminator(space, Recipe(), pack=pack).named_parameters()) for pack in (1, 3))
        differ = [key for key in alone if alone[key].shape != packed[f"discriminator.{key}"].shape]
        assert differ == [next(iter(alone))]
        assert len(alone) == len(packed)


def test_the_stacked_mnist_networks_are_those_of_pacgan():
    # The published code's feature maps: 512 at 2 x 2, 256 at 4, 128 at 7, 64 at 14; kernels of 5.
    generator, discriminator = dcgan.generator((3, 28, 28), 100, norms.none), dcgan.discriminator((3, 28, 28), norms.none)
    climbs = [m for m in generator if isinstance(m, nn.ConvTranspose2d)]
    falls = [m for m in discriminator if isinstance(m, nn.Conv2d)]
    assert [(m.out_channels, *m.kernel_size) for m in climbs] == [(512, 2, 2), (256, 5, 5), (128, 5, 5), (64, 5, 5), (3, 5, 5)]
    assert [(m.out_channels, *m.kernel_size) for m in falls] == [(64, 5, 5), (128, 5, 5), (256, 5, 5), (512, 5, 5)]
    sizes, h = [], torch.randn(1, 100)
    for layer in generator:
        h = layer(h)
        sizes.append(h.shape[-1])
    assert sorted(set(sizes)) == [2, 4, 7, 14, 28]
    sizes = []
    for layer in discriminator[:-2]:
        h = layer(h)
        sizes.append(h.shape[-1])
    assert sorted(set(sizes)) == [2, 4, 7, 14]
