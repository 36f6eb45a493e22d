"""Saved models: the same bits come back, nothing is imported, and damage is refused by name."""

import hashlib
import json
import sys
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from aevb.batch import Batch
from aevb.datasets import Scaling
from aevb.errors import InvalidModelFileError
from aevb.models import AutoEncoder, Encoder, load_model, save_model
from aevb.models.saved import _digest
from aevb.networks import OverRows
from oracles import same_bits, tiny

KEY = jax.random.key(0)
SCALING = Scaling((0.1, 1e-300, -3.0, 1e10, 0.0), (1.0, 1 / 3, 2.0, 1e-10, 5.0))
ABOUT = {"feature_names": ["ä", "b"], "image_shape": None, "nested": {"x": [1, 2.5]}}


class Net(eqx.Module):
    """A user's own network, with every kind of field that can be saved."""

    layers: list
    table: np.ndarray
    options: tuple
    activation: Callable
    inner: eqx.Module
    note: str = eqx.field(static=True)
    nothing: None = None

    def __call__(self, x):
        """Features of one row."""
        for layer in self.layers:
            x = self.activation(layer(x))
        return self.inner(x) * self.table.sum()


def user_network(n_inputs=5):
    keys = jax.random.split(KEY, 2)
    return Net(
        [eqx.nn.Linear(n_inputs, 4, key=keys[0]), eqx.nn.Identity()],
        np.arange(6.0, dtype=np.float32).reshape(2, 3).T,  # not contiguous
        (True, 3, 0.1, "text", (None,)),
        jax.nn.silu,
        eqx.nn.MLP(4, 3, 4, 1, key=keys[1]),
        "static",
    )


def sequential():
    linear = eqx.nn.Linear(5, 4, key=KEY)
    return eqx.nn.Sequential(
        [linear, eqx.nn.Lambda(jax.nn.relu), eqx.nn.LayerNorm(4), eqx.nn.Lambda(jnp.tanh)]
    )


def with_network(network):
    return AutoEncoder(tiny(scaling=SCALING).model, Encoder(OverRows(network), 5, 2, key=KEY))


@pytest.fixture(scope="module")
def custom():
    return with_network(user_network())


@pytest.fixture(scope="module")
def plain():
    return tiny(scaling=SCALING)


@pytest.fixture
def path(plain, tmp_path):
    save_model(tmp_path / "model", plain, ABOUT)
    return tmp_path / "model"


NAME = f"{Net.__module__}:Net"
NETWORKS = {
    "mlp": (lambda: eqx.nn.MLP(5, 4, 6, 2, activation=jax.nn.gelu, key=KEY), {}),
    "sequential": (sequential, {}),
    "lambda-layer": (lambda: eqx.nn.Lambda(jnp.abs), {}),
    "own": (user_network, {NAME: Net}),
}


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian", "gaussian-sigmoid", "gaussian-isotropic"])
def test_what_is_loaded_is_what_was_saved(likelihood, tmp_path):
    autoencoder = tiny(likelihood, scaling=SCALING)
    save_model(tmp_path / "model", autoencoder, ABOUT)
    loaded, about = load_model(tmp_path / "model")
    assert about == ABOUT
    assert same_bits(loaded, autoencoder)
    assert jax.tree.structure(loaded) == jax.tree.structure(autoencoder)  # static fields too
    np.testing.assert_array_equal(loaded.model.log_scale.value, autoencoder.model.log_scale.value)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["model", "model.json", "weights.safetensors"]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_users_network_comes_back(name, tmp_path):
    build, networks = NETWORKS[name]
    autoencoder = with_network(build())
    save_model(tmp_path / "model", autoencoder, {})
    loaded, _ = load_model(tmp_path / "model", networks)
    assert same_bits(loaded, autoencoder)
    x = Batch(jnp.asarray(np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)))
    means = eqx.filter_jit(lambda autoencoder: autoencoder.encoder(x).mean)
    np.testing.assert_array_equal(means(loaded), means(autoencoder))


def test_the_fields_of_a_users_network_keep_their_types(custom, tmp_path):
    save_model(tmp_path / "model", custom, {})
    network = load_model(tmp_path / "model", {NAME: Net})[0].encoder.network.network
    assert network.options == (True, 3, 0.1, "text", (None,))
    assert [type(o) for o in network.options] == [bool, int, float, str, tuple]
    assert isinstance(network.layers, list)
    assert network.activation is jax.nn.silu
    assert (network.note, network.nothing) == ("static", None)


def test_a_users_class_is_named_where_it_is_not_handed_in(custom, tmp_path):
    save_model(tmp_path / "model", custom, {})
    with pytest.raises(InvalidModelFileError, match=f"class {NAME}.*networks=.*{NAME}.*: Net"):
        load_model(tmp_path / "model")


def test_a_file_never_causes_an_import(path):
    def change(document):
        document["autoencoder"]["fields"]["encoder"]["fields"]["network"] = {
            "class": "antigravity:Net",
            "fields": {},
        }

    rewrite(path, change)
    before = set(sys.modules)
    with pytest.raises(InvalidModelFileError, match="antigravity:Net"):
        load_model(path)
    assert set(sys.modules) == before


@pytest.mark.parametrize(
    ("network", "where"),
    [
        (lambda: eqx.nn.Lambda(lambda x: x), "encoder.network.network.fn"),
        (
            lambda: eqx.nn.Sequential([eqx.nn.Identity(), eqx.nn.Lambda(lambda x: x)]),
            "encoder.network.network.layers.1.fn",
        ),
    ],
)
def test_a_lambda_is_refused_with_its_place(network, where, tmp_path):
    with pytest.raises(TypeError, match=where):
        save_model(tmp_path / "model", with_network(network()), {})
    assert list(tmp_path.iterdir()) == []


def test_saving_replaces_an_older_model(path):
    newer = tiny(seed=1)
    save_model(path, newer, {"new": True})
    loaded, about = load_model(path)
    assert same_bits(loaded, newer)
    assert about == {"new": True}
    assert [p.name for p in path.parent.iterdir()] == ["model"]


def test_a_crash_between_the_two_renames_loses_nothing(path, plain):
    path.rename(path.with_name(".model.01234567.previous"))
    assert same_bits(load_model(path)[0], plain)
    save_model(path, tiny(seed=1), {})  # and the next save goes on from there
    assert same_bits(load_model(path)[0], tiny(seed=1))


def test_a_failed_write_leaves_the_old_model(path, plain, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("aevb.storage.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_model(path, tiny(seed=1), {})
    assert same_bits(load_model(path)[0], plain)
    assert [p.name for p in path.parent.iterdir()] == ["model"]


# --- damage -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors"])
@pytest.mark.parametrize("keep", [0, 1, 20, -1])
def test_a_truncated_file_is_refused(path, name, keep):
    content = (path / name).read_bytes()
    (path / name).write_bytes(content[:keep])
    with pytest.raises(InvalidModelFileError, match=name):
        load_model(path)


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors"])
@pytest.mark.parametrize("position", [0.02, 0.3, 0.6, 0.98])
def test_a_changed_byte_is_refused(path, name, position):
    content = bytearray((path / name).read_bytes())
    place = int(len(content) * position)
    while not chr(content[place]).isalnum() and name == "model.json":  # white space in JSON means nothing
        place += 1
    content[place] ^= 1
    (path / name).write_bytes(bytes(content))
    with pytest.raises(InvalidModelFileError, match=name):
        load_model(path)


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors"])
def test_a_missing_file_is_refused(path, name):
    (path / name).unlink()
    with pytest.raises(InvalidModelFileError, match=name):
        load_model(path)


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(InvalidModelFileError, match="nowhere"):
        load_model(tmp_path / "nowhere")
    (tmp_path / "file.npy").write_bytes(b"data")
    with pytest.raises(InvalidModelFileError, match=r"file\.npy"):
        load_model(tmp_path / "file.npy")


def rewrite(path, change, arrays=None):
    """Change the description, and write it with a checksum that is right again."""
    document = json.loads((path / "model.json").read_text())
    if arrays is not None:
        content = safetensors.numpy.save(arrays)
        (path / "weights.safetensors").write_bytes(content)
        document["weights_sha256"] = hashlib.sha256(content).hexdigest()
    document = change(document) or document
    if isinstance(document, dict):
        document["sha256"] = _digest(document)
    (path / "model.json").write_text(json.dumps(document))


def decoder_of(document):
    return document["autoencoder"]["fields"]["model"]["fields"]["decoder"]["fields"]


def head_of(document):
    return decoder_of(document)["heads"]["dict"]["loc"]


def nested(depth):
    tree = {}
    for _ in range(depth):
        tree = {"list": [tree]}
    return tree


CHANGES = {
    "another version": lambda d: d.update(version=1),
    "another format": lambda d: d.update(format="other"),
    "a list": lambda d: [d],
    "no structure": lambda d: d.pop("autoencoder"),
    "no about": lambda d: d.pop("about"),
    "no digest of the weights": lambda d: d.pop("weights_sha256"),
    "an extra field": lambda d: decoder_of(d).update(extra=1),
    "a missing field": lambda d: decoder_of(d).pop("free"),
    "a class that is none": lambda d: head_of(d).update({"class": "equinox.nn:Nothing"}),
    "a class without a name": lambda d: head_of(d).update({"class": ["equinox.nn:Linear"]}),
    "another class": lambda d: head_of(d).update({"class": "aevb:MLP"}),
    "an unknown function": lambda d: decoder_of(d).update(network={"function": "os:system"}),
    "an array that is not there": lambda d: head_of(d)["fields"].update(bias={"array": "nowhere"}),
    "an unknown activation": lambda d: decoder_of(d)["network"]["fields"].update(activation="sinus"),
    "a node of no kind": lambda d: decoder_of(d).update(network={"pickle": "..."}),
    "a number for a network": lambda d: decoder_of(d).update(network=3),
    "no model at all": lambda d: d.update(autoencoder=None),
    "a part in place of the whole": lambda d: d.update(autoencoder=d["autoencoder"]["fields"]["encoder"]),
    "another number of latents": lambda d: d["autoencoder"]["fields"]["model"]["fields"]["prior"][
        "fields"
    ].update(n_latents=3),
    "absurdly many latents": lambda d: d["autoencoder"]["fields"]["model"]["fields"]["prior"][
        "fields"
    ].update(n_latents=10**30),
    "a number beyond single precision": lambda d: head_of(d)["fields"].update(bias=-(10**30)),
    "nothing but nesting": lambda d: d.update(autoencoder=nested(300)),
    "a constant in words": lambda d: d["autoencoder"]["fields"]["model"]["fields"]["log_scale"][
        "fields"
    ].update(value="none"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_description_that_someone_else_wrote_is_refused(path, change):
    def changed(document):
        result = change(document)
        return result if isinstance(result, list) and result[0] is document else document

    rewrite(path, changed)
    with pytest.raises(InvalidModelFileError, match=r"model\.json|saved with a network of class"):
        load_model(path)


def test_deeply_nested_json_is_refused(path):
    (path / "model.json").write_text("[" * 100_000)
    with pytest.raises(InvalidModelFileError, match=r"model\.json"):
        load_model(path)


@pytest.mark.parametrize("shape", [(5, 4), (4, 6), (5,), ()])
def test_weights_of_another_shape_are_refused(path, shape):
    arrays = dict(safetensors.numpy.load_file(path / "weights.safetensors"))
    name = "model.decoder.heads.loc.weight"
    assert arrays[name].shape == (4, 5)
    arrays[name] = np.zeros(shape, np.float32)
    rewrite(path, lambda document: None, arrays)
    with pytest.raises(InvalidModelFileError, match=r"model\.json"):
        load_model(path)


@pytest.mark.parametrize("dtype", [np.complex64])
def test_weights_that_are_not_real_are_refused(path, dtype):
    arrays = dict(safetensors.numpy.load_file(path / "weights.safetensors"))
    arrays["model.decoder.heads.loc.bias"] = arrays["model.decoder.heads.loc.bias"].astype(dtype)
    rewrite(path, lambda document: None, arrays)
    with pytest.raises(InvalidModelFileError, match=r"model\.decoder\.heads\.loc\.bias are not real numbers"):
        load_model(path)


def test_weights_that_are_no_weights_are_refused(path):
    document = json.loads((path / "model.json").read_text())
    (path / "weights.safetensors").write_bytes(b"no safetensors")
    document["weights_sha256"] = hashlib.sha256(b"no safetensors").hexdigest()
    document["sha256"] = _digest(document)
    (path / "model.json").write_text(json.dumps(document))
    with pytest.raises(InvalidModelFileError, match=r"weights\.safetensors"):
        load_model(path)
