import importlib.util
import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools" / "sizes.py"
spec = importlib.util.spec_from_file_location("sizes", TOOL)
assert spec is not None
assert spec.loader is not None
sizes = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sizes)


def test_a_function_is_as_long_as_from_its_def_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("@property\ndef f():\n    def g():\n        return 1\n    return g\n\nx = 1\n")
    assert sizes.functions_of(tmp_path) == [(2, "a.py:3 g"), (4, "a.py:2 f")]
    assert sizes.files_of(tmp_path) == [(7, "a.py")]


def test_a_percentile_is_a_size_that_occurs() -> None:
    ten = [sizes.Sized(lines, "") for lines in range(1, 11)]
    assert [sizes.percentile(ten, share) for share in (0.0, 0.5, 0.9, 1.0)] == [1, 6, 10, 10]


def test_ours_are_printed_beside_others() -> None:
    done = subprocess.run([sys.executable, str(TOOL)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "tollway" in done.stdout
    assert "starlette" in done.stdout


def test_a_folder_without_code_is_told(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, str(TOOL), str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert str(tmp_path) in done.stderr
