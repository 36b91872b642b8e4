"""Residual networks, self-attention, class-conditional batch norm, orthogonal regularisation: closed forms and shapes."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from ganbench.errors import UsageError
from ganbench.nets import attention, build, class_norm, norms, pacgan_toy, resnet
from ganbench.registry import find
from ganbench.variant import Recipe, Space
from ganbench.variants import biggan

EXACT = {"rtol": 1e-12, "atol": 1e-12}  # float64, sums taken in another order


def test_self_attention_by_hand_on_two_by_two_maps():
    torch.manual_seed(0)
    net = attention.SelfAttention(2).double()
    with torch.no_grad():
        net.gamma.fill_(0.5)
    x = torch.randn(1, 2, 2, 2, dtype=torch.float64)
    q, k, v, o = (layer.weight.detach()[:, :, 0, 0].tolist() for layer in (net.query, net.key, net.value, net.out))
    places = [[x[0, c, i // 2, i % 2].item() for c in range(2)] for i in range(4)]

    def dot(a, b):
        return sum(s * t for s, t in zip(a, b, strict=True))

    expected = torch.empty(1, 2, 2, 2, dtype=torch.float64)
    for j in range(4):
        powers = [math.exp(dot(q[0], places[j]) * dot(k[0], places[i])) for i in range(4)]
        seen = sum(p * dot(v[0], places[i]) for i, p in enumerate(powers)) / sum(powers)
        for c in range(2):
            expected[0, c, j // 2, j % 2] = places[j][c] + 0.5 * o[c][0] * seen
    torch.testing.assert_close(net(x), expected, **EXACT)


@pytest.mark.parametrize("norm", [norms.none, norms.spectral])
def test_self_attention_starts_as_the_identity(norm):
    x = torch.randn(2, 16, 4, 4)
    assert torch.equal(attention.SelfAttention(16, norm)(x), x)


def test_class_conditional_batch_norm_is_batch_norm_with_an_affine_part_of_each_class():
    torch.manual_seed(0)
    ours, plain = class_norm.by_label(3, 4).double(), nn.BatchNorm2d(3, affine=False).double()
    nn.init.normal_(ours.gain.weight)
    nn.init.normal_(ours.bias.weight)
    labels = torch.tensor([0, 3, 3, 1, 0])
    for training in (True, True, False):  # the last with the running statistics
        ours.train(training)
        plain.train(training)
        x = 3 * torch.randn(5, 3, 2, 2, dtype=torch.float64) + 1
        rows = zip(plain(x), labels.tolist(), strict=True)
        expected = [row * (1 + ours.gain.weight[y])[:, None, None] + ours.bias.weight[y][:, None, None] for row, y in rows]
        torch.testing.assert_close(ours(x, labels), torch.stack(expected), **EXACT)


def test_class_conditional_batch_norm_of_stacked_seeds_equals_each_alone():
    torch.manual_seed(0)
    alone = [class_norm.by_label(3, 4).double() for _ in range(2)]
    for net in alone:
        nn.init.normal_(net.gain.weight)
    parameters, buffers = stack_module_state(alone)
    x, labels = torch.randn(2, 5, 3, 2, 2, dtype=torch.float64), torch.randint(0, 4, (2, 5))
    stacked = vmap(lambda p, b, x, y: functional_call(alone[0], {**p, **b}, (x, y)))(parameters, buffers, x, labels)
    for index, net in enumerate(alone):
        torch.testing.assert_close(stacked[index], net(x[index], labels[index]), **EXACT)
        torch.testing.assert_close(buffers["norm.running_mean"][index], net.norm.running_mean, **EXACT)


def test_orthogonal_regularisation_by_hand():
    # Rows (1, 2) and (3, 4): their product is 11, off the diagonal twice: 2 * 121. The embedding and the vector are left out.
    weight = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert biggan.orthogonal({"a": weight, "embed.weight": weight, "bias": torch.ones(2)}).item() == 242
    assert biggan.orthogonal({"a": 5 * torch.eye(3)}).item() == 0


def test_projection_logit_by_hand():
    trunk = resnet.Trunk((1, 8, 8), classes=2)
    features = torch.zeros(2, trunk.out.in_features)
    features[:, :2] = torch.tensor([1.0, 2.0])
    with torch.no_grad():
        trunk.out.weight.fill_(0.5)
        trunk.out.bias.fill_(3.0)
        trunk.embed.weight.zero_()
        trunk.embed.weight[:2] = torch.tensor([[10.0, 20.0], [30.0, 40.0]])  # a column is a class
    # 0.5 (1 + 2) + 3 = 4.5, plus <(10, 30), (1, 2)> = 70 for class 0 and <(20, 40), (1, 2)> = 100 for class 1
    assert trunk.judge(features, torch.tensor([0, 1])).tolist() == [74.5, 104.5]


@pytest.mark.parametrize("name", ["sngan-resnet", "sagan", "biggan"])
def test_shapes_at_every_size(name):
    variant = find("variants", name).load()
    for size in resnet.SIZES:
        space = Space((3, size, size), 4)
        recipe = variant.recipe_for(space)
        nets = variant.networks(space, recipe)
        labels = (torch.tensor([0, 3]),) if variant.conditional else ()
        with torch.no_grad():
            images = nets["generator"](torch.randn(2, recipe.latent_size), *labels)
            assert images.shape == (2, 3, size, size)
            assert nets["discriminator"](images, *labels).shape == (2,)
    assert "points" in variant.supports(Space((2,)))


def test_biggan_reads_every_part_of_z_and_the_label():
    torch.manual_seed(0)
    space = Space((1, 32, 32), 4)
    variant = biggan.VARIANT
    recipe = variant.recipe_for(space)
    assert recipe.latent_size == 4 * biggan.PART
    generator = variant.networks(space, recipe)["generator"]
    z = torch.randn(2, recipe.latent_size, requires_grad=True)
    images = generator(z, torch.tensor([0, 1]))
    (gradient,) = torch.autograd.grad(images.square().sum(), z)
    assert (gradient.abs().amax(0) > 0).all()
    assert not torch.equal(generator.eval()(z, torch.tensor([2, 2])), generator(z, torch.tensor([3, 3])))


@pytest.mark.parametrize("norm", [None, norms.spectral, norms.batch])
def test_the_resnet_architecture_has_networks_of_128_pixels(norm):
    space, recipe = Space((3, 128, 128)), Recipe(architecture="resnet")
    with torch.no_grad():
        images = build.generator(space, recipe)(torch.randn(2, 100))
        assert images.shape == (2, 3, 128, 128)
        assert build.discriminator(space, recipe, norm, pack=2)(images).shape == (1,)


def test_pacgan_toy_takes_a_discriminator_without_normalisation() -> None:
    # It has none of its own, so that methods which forbid one run on it.
    space, unrolled = Space((2,)), find("variants", "unrolled").load()
    recipe = replace(unrolled.recipe_for(space), architecture="pacgan-toy", latent_size=2)
    networks = unrolled.networks(space, recipe)
    assert not [layer for layer in networks["discriminator"].modules() if isinstance(layer, nn.BatchNorm1d)]
    with pytest.raises(UsageError, match="pacgan-toy has its own normalisation"):
        build.discriminator(space, recipe, norms.spectral)


def test_maxout_is_the_largest_of_its_pieces_and_moves_that_alone() -> None:
    torch.manual_seed(0)
    layer = pacgan_toy.Maxout(3, 4).double()
    x = torch.randn(6, 3, dtype=torch.float64)
    pieces = layer.linear(x).unflatten(1, (pacgan_toy.PIECES, 4))
    torch.testing.assert_close(layer(x), pieces.amax(dim=1), rtol=1e-12, atol=1e-12)  # a rounding of float64
    found = torch.autograd.grad(layer(x).square().sum(), layer.linear.weight)
    wanted = torch.autograd.grad(
        layer.linear(x).unflatten(1, (pacgan_toy.PIECES, 4)).amax(dim=1).square().sum(), layer.linear.weight
    )
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("name", "wanted"), [("dcgan-half", [32, 64, 128, 256]), ("dcgan-quarter", [16, 32, 64, 128])])
def test_dcgans_discriminator_with_a_share_of_the_maps(name: str, wanted: list[int]) -> None:
    space, usual = Space((3, 28, 28)), Recipe()
    small = replace(usual, architecture=name)
    trunk = build.discriminator(space, small)
    assert [layer.out_channels for layer in trunk.modules() if isinstance(layer, nn.Conv2d)] == wanted  # DCGAN has 64 to 512
    shapes = [[value.shape for value in build.generator(space, recipe).parameters()] for recipe in (usual, small)]
    assert shapes[0] == shapes[1]
    assert trunk(torch.zeros(2, 3, 28, 28)).shape == (2,)
    with pytest.raises(UsageError, match=f"{name} has no networks for points; choose another one"):
        build.generator(Space((2,)), small)


def test_the_narrow_dcgan_has_a_quarter_of_the_maps_on_both_sides() -> None:
    space, usual = Space((3, 28, 28)), Recipe()
    small = replace(usual, architecture="dcgan-narrow")
    wide, narrow = (
        [layer.out_channels for layer in build.generator(space, recipe).modules() if isinstance(layer, nn.ConvTranspose2d)]
        for recipe in (usual, small)
    )
    assert wide == [512, 256, 128, 64, 3]
    assert narrow == [128, 64, 32, 16, 3]
    trunk = build.discriminator(space, small)
    assert [layer.out_channels for layer in trunk.modules() if isinstance(layer, nn.Conv2d)] == [16, 32, 64, 128]
    assert build.generator(space, small)(torch.zeros(2, 100)).shape == (2, 3, 28, 28)


def test_the_residual_discriminators_last_block_keeps_its_maps_and_its_convolutions_start_wide() -> None:
    blocks = [block for block in resnet.Trunk((3, 32, 32)).blocks if isinstance(block, resnet.DownBlock)]
    assert [isinstance(block.shortcut, nn.Identity) for block in blocks] == [False, False, False, True]
    x = torch.randn(2, 64, 4, 4)
    last = blocks[-1]
    torch.testing.assert_close(last(x) - last.conv2(torch.relu(last.conv1(torch.relu(x)))), x, rtol=0, atol=1e-6)
    wide, flat = blocks[1].conv1.weight, blocks[1].shortcut.weight
    # Glorot's bound is gain sqrt(6 / (9 (inputs + outputs))): sqrt 2 inside a block, 1 beside it.
    assert 0.95 * (12 / (9 * 96)) ** 0.5 < wide.abs().max() <= (12 / (9 * 96)) ** 0.5
    assert 0.95 * (6 / 96) ** 0.5 < flat.abs().max() <= (6 / 96) ** 0.5
