"""Conditional variants: their losses by hand, and samples that depend on the label."""

import math

import pytest
import torch
from torch import nn

from ganbench import registry
from ganbench.nets import conditional
from ganbench.variant import Batch, Control, Networks, Space
from ganbench.variants import acgan, adcgan, infogan, reacgan

CONDITIONAL = [
    variant
    for entry in registry.entries("variants").values()
    if not isinstance(variant := entry.load(), Control) and variant.conditional
]
PLACES = [
    pytest.param(variant, space, id=f"{variant.name}-{space.shape}")
    for variant in CONDITIONAL
    for space in (Space((2,), 3), Space((1, 8, 8), 3), Space((3, 32, 32), 3))
    if variant.refuses(space) is None
]


@pytest.mark.parametrize(("variant", "space"), PLACES)
def test_samples_depend_on_the_label(variant, space):
    torch.manual_seed(0)
    recipe = variant.recipe_for(space)
    generator = variant.networks(space, recipe)["generator"]
    for parameter in generator.parameters():  # gains and biases of a class start alike: a training moves them
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    generator(torch.randn(8, recipe.latent_size), torch.arange(8) % 3)  # running statistics
    generator.eval()
    z = torch.randn(1, recipe.latent_size).expand(3, -1)
    samples = generator(z, torch.tensor([0, 1, 1]))
    assert not torch.allclose(samples[0], samples[1], atol=1e-4)
    torch.testing.assert_close(samples[1], samples[2])


def test_classification_by_hand():
    # softmax of (0, log 3) is (1/4, 3/4).
    logits = torch.tensor([[0.0, math.log(3)], [0.0, math.log(3)]], dtype=torch.float64)
    loss = conditional.classification(logits, torch.tensor([0, 1]))
    assert loss.item() == pytest.approx(-(math.log(0.25) + math.log(0.75)) / 2)


def test_projection_by_hand():
    # phi = relu(x) = (2, 0) and (0, 3); psi = phi_1 + 10 phi_2 + 0.5; v_0 = (1, 1), v_1 = (-1, 2).
    judge = conditional.ProjectionDiscriminator(nn.Identity(), 2, 2)
    judge.linear.weight.data = torch.tensor([[1.0, 10.0]])
    judge.linear.bias.data = torch.tensor([0.5])
    judge.embedding.weight.data = torch.tensor([[1.0, 1.0], [-1.0, 2.0]])
    logits = judge(torch.tensor([[2.0, -7.0], [-1.0, 3.0]]), torch.tensor([0, 1]))
    assert logits.tolist() == pytest.approx([2 + 0.5 + 2, 30 + 0.5 + 6])


def identity_batch(real: list[list[float]], fake: list[list[float]], labels: list[int]) -> Batch:
    tensors = (torch.tensor(rows, dtype=torch.float64) for rows in (real, fake))
    real_, fake_ = tensors
    return Batch(real=real_, z=fake_, fake=fake_, labels=torch.tensor(labels))


def softplus(v: float) -> float:
    return math.log1p(math.exp(v))


def test_acgan_by_hand():
    # D is the identity: a logit and two classes. Real (1 | 0, log 3) of class 1: p = 3/4. Fake (-1 | log 3, 0) asked as 1: p = 1/4.
    batch = identity_batch([[1.0, 0.0, math.log(3)]], [[-1.0, math.log(3), 0.0]], [1])
    told = -math.log(0.75) - math.log(0.25)
    assert acgan.d_loss(lambda x: x, batch).item() == pytest.approx(softplus(-1) + softplus(-1) + told)
    assert acgan.g_loss(lambda x: x, batch).item() == pytest.approx(softplus(1) - math.log(0.25))


def test_adcgan_by_hand():
    # Classes as real 0, 1, as generated 2, 3. Softmax of (0, log 3, 0, log 5): 1/10, 3/10, 1/10, 5/10. Class 1 is asked for.
    outputs = [0.0, 0.0, math.log(3), 0.0, math.log(5)]
    batch = identity_batch([outputs], [outputs], [1])
    assert adcgan.d_loss(lambda x: x, batch).item() == pytest.approx(2 * math.log(2) - math.log(0.3) - math.log(0.5))
    assert adcgan.g_loss(lambda x: x, batch).item() == pytest.approx(math.log(2) - math.log(0.3) + math.log(0.5))


def test_data_to_data_by_hand():
    # Three samples of classes 0, 0, 1, features (1, 0), (1, 0), (0.8, 0.6), cosines with their proxies 0.98, 0.48, 1.
    # Pulls: 0, (0.48 - 0.98) / 0.5 = -1, 0. Pushes between classes: (0.8 - 0.02) / 0.5 = 1.56.
    outputs = torch.tensor(
        [[0.0, 0.98, 1.0, 0.0], [0.0, 0.48, 1.0, 0.0], [0.0, 1.0, 0.8, 0.6]],
        dtype=torch.float64,
    )
    push = math.exp(1.56)
    terms = [math.log(1 + push), math.log(math.exp(-1) + push) + 1, math.log(1 + 2 * push)]
    assert reacgan.data_to_data(outputs, torch.tensor([0, 0, 1])).item() == pytest.approx(sum(terms) / 3)


def test_reacgan_adds_half_of_it_to_the_hinge_loss():
    outputs = torch.tensor([[0.4, 0.98, 1.0, 0.0], [-0.2, 0.98, 0.0, 1.0]], dtype=torch.float64)
    batch = Batch(real=outputs, z=outputs, fake=outputs, labels=torch.tensor([0, 1]))
    both = math.log(1 + 1)  # the push max(0 - 0.02, 0) is 0
    hinge = (0.6 + 1.2) / 2 + (1.4 + 0.8) / 2
    assert reacgan.d_loss(lambda x, y: x, batch).item() == pytest.approx(hinge + 0.5 * both)
    assert reacgan.g_loss(lambda x, y: x, batch).item() == pytest.approx(-0.1 + 0.5 * both)


def test_infogan_by_hand():
    # The code's category is 3, its numbers are 0.5 and -1. Q says all alike (log 10) and (0, 0): errors (0.25 + 1) / 2.
    z = torch.zeros(1, 14, dtype=torch.float64)
    z[0, 2 + 3], z[0, 12], z[0, 13] = 2.0, 0.5, -1.0
    networks = Networks(
        {
            "generator": lambda z: z,
            "discriminator": lambda x: torch.tensor([[0.7, 1.0]], dtype=torch.float64),
            "recogniser": lambda features: torch.zeros(1, 12, dtype=torch.float64),
        }
    )
    loss, watched = infogan.g_objective(networks, Batch(real=z, z=z))
    assert watched["category"].item() == pytest.approx(math.log(10))
    assert watched["continuous"].item() == pytest.approx(0.625)
    assert loss.item() == pytest.approx(softplus(-0.7) + math.log(10) + 0.625)


def test_infogans_generator_reads_the_largest_number_as_the_category():
    coded = infogan.Coded(nn.Identity())
    z = torch.arange(14.0)[None].clone()
    z[0, 5] = 100.0
    expected = torch.tensor([[0.0, 1.0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 12, 13]])
    assert torch.equal(coded(z), expected)
