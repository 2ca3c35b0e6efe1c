from collections import Counter
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_card import Statistics, figures


@settings(deadline=None, max_examples=40)
@given(st.permutations(range(12)))
def test_order_does_not_matter(make: SimpleNamespace, order: list[int]) -> None:
    items = [make.metadata(n, quality={"coverage": 0.1 + n / 7}) for n in range(12)]
    assert Statistics.of(items[n] for n in order) == Statistics.of(items)


def test_counts(make: SimpleNamespace) -> None:
    items = [make.metadata(n) for n in range(10)]
    items.append(make.metadata(10, prompt="", attributes={}, truth={}, width=100))
    items.append(make.metadata(11, prompt=None))
    found = Statistics.of(items)
    assert found.samples == 12
    assert found.attributes["age"] == Counter({"young": 5, "elderly": 6, None: 1})
    assert found.sizes == {"24x32": 11, "100x32": 1}
    assert (found.without_prompt, found.improved) == (2, 11)
    assert found.example == items[0]
    sad = found.histograms["raw_sad"]
    assert sad.count == 11 and sad.lowest == 4_000_000 and sad.highest == 15_000_000
    assert sad.mean == pytest.approx((sum(range(10)) + 11) / 11 + 4)
    assert found.histograms["openings_kept"].mean is None


@given(st.lists(st.floats(0, 1e4), min_size=1))
def test_a_histogram_counts_each_once_where_it_belongs(values: list[float]) -> None:
    histogram = Statistics().histograms["coverage"]
    for value in values:
        histogram.add(value)
    assert histogram.count == len(values)
    assert histogram.mean == pytest.approx(sum(values) / len(values), abs=1e-5)
    edges = histogram.edges()
    for place, count in enumerate(histogram.bins[:-1]):
        inside = [v for v in values if edges[place] <= round(v, 6) < edges[place + 1]]
        assert abs(count - len(inside)) <= sum(abs(v - e) < 2e-6 for v in values for e in edges)


def test_undeclared_metadata_is_refused() -> None:
    with pytest.raises(ValueError, match="not in the schema"):
        Statistics.of([{"surprise": 1}])


def test_plots(make: SimpleNamespace) -> None:
    items = [make.metadata(n) for n in range(30)]
    found = figures(Statistics.of(items))
    assert list(found) == ["assets/histograms.png", "assets/attributes.png"]
    again = figures(Statistics.of(reversed(items)))
    for path, picture in found.items():
        assert picture.dtype == "uint8" and picture.ndim == 3
        # Bars, text and paper: more than one colour, mostly paper.
        assert 0.6 < (picture == 255).all(axis=2).mean() < 0.99
        assert (picture == again[path]).all()


def test_plots_of_little_and_of_strange_words(make: SimpleNamespace) -> None:
    assert figures(Statistics()) == {}
    bare = make.metadata(0, prompt="", attributes={}, refinement={}, quality={}, truth={})
    assert figures(Statistics.of([bare])) == {}
    odd = make.metadata(0, attributes={"age": "人物\n\x00" * 40, "light": ""})
    assert set(figures(Statistics.of([odd]))) == {"assets/histograms.png", "assets/attributes.png"}


def test_taller_bars_for_more(make: SimpleNamespace) -> None:
    few = figures(Statistics.of([make.metadata(n) for n in range(4)]))
    many = figures(Statistics.of([make.metadata(2 * n) for n in range(4)]))
    assert (few["assets/attributes.png"].shape) != (many["assets/attributes.png"].shape)
