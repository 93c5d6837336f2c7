"""How numbers are written."""

import pytest

from lateralization import wording


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0123, "+0.0123"), (-0.0123, "−0.0123"), (0.00001, "0.0000"), (-0.00001, "0.0000")],
)
def test_differences_carry_their_sign(value, text):
    assert wording.signed(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (25870, "25,870"),
        (0.4873, "0.487"),
        (-3.2e-14, "−3.2 × 10⁻¹⁴"),
        (float("nan"), ""),
        (0, "0"),
    ],
)
def test_numbers_are_short(value, text):
    assert wording.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(124439808, "124M"), (1.5576e9, "1.56B"), (0, "–"), (999_999, "1M")]
)
def test_sizes_are_named(value, text):
    assert wording.size(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.147, "14.7 %"), (-0.003, "−0.3 %"), (-0.0003, "0.0 %"), (0.0, "0.0 %"), (1.0, "100.0 %")],
)
def test_shares_have_a_minus_only_where_they_are_below_zero(share, text):
    assert wording.percent(share) == text


def test_p_values_do_not_break_over_lines():
    assert wording.p_value(1.8e-10) == "p\xa0=\xa01.8\xa0×\xa010⁻¹⁰"
    assert wording.p_value(0.041) == "p\xa0=\xa00.041"
    assert wording.p_value(float("nan")) == ""


def test_plurals():
    assert (wording.plural(1, "model"), wording.plural(3, "family")) == ("1 model", "3 families")
