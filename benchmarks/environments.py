"""An environment for each competitor, made on demand from its pinned requirements."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def python_of(name: str | None) -> Path:
    """Return the interpreter of the environment `name`, made if absent or outdated; None is our own."""
    if name is None:
        return Path(sys.executable)
    requirements = HERE / "requirements" / f"{name}.txt"
    folder = HERE / ".venvs" / name
    python, stamp = folder / "bin" / "python", folder / "installed.txt"
    if not stamp.exists() or stamp.read_text() != requirements.read_text():
        print(f"making the environment {name} ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        subprocess.run([*pip, "--requirement", requirements], check=True)
        stamp.write_text(requirements.read_text())
    return python
