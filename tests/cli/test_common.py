"""What commands do before they compute: compiled programs kept and repaired, homes that are not there."""

import os
import pwd
import tempfile
import warnings

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache as jax_cache

from aevb.cli.common import cache_compilations
from aevb.datasets.locate import RemoteFile


@pytest.fixture
def jax_settings():
    """JAX's settings of its cache, put back afterwards."""
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    jax_cache.reset_cache()
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    jax_cache.reset_cache()


@pytest.mark.parametrize("keep", [0, 100])
def test_a_truncated_program_in_the_cache_is_replaced(tmp_path, jax_settings, keep):
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    cache_compilations()
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)

    def entry():
        def program_of_this_test(
            x,
        ):  # another one each time, for JAX's memory, and the same one for its files
            return x + 1.5

        assert jax.jit(program_of_this_test)(1.0) == 2.5
        [path] = tmp_path.glob("jit_program_of_this_test-*-cache")
        return path

    whole = len(entry().read_bytes())
    os.truncate(entry(), keep)
    assert len(entry().read_bytes()) == pytest.approx(whole, rel=0.1)
    with pytest.warns(UserWarning, match="other"):  # as before
        warnings.warn("other", UserWarning, stacklevel=1)


def test_without_a_home_nothing_is_left_and_nothing_fails(tmp_path, jax_settings, monkeypatch):
    """As in a container that runs under a number that no user has."""

    def unknown(number):
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    jax.config.update("jax_compilation_cache_dir", None)
    cache_compilations()
    assert jax.config.jax_compilation_cache_dir.startswith(tempfile.gettempdir())
    assert all(folder.is_absolute() for folder in RemoteFile("toy", "toy.bin", "", "").folders(None))
    assert not os.listdir(tmp_path)
