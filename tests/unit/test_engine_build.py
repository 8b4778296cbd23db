"""Building firmware on demand: what makes another image, and what is said when there is none."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from engine_stub import HEADER, built, sources
from tools import program

from drivers.engines import build, library
from drivers.engines.build import ImageOptions, image_of
from hil.core.errors import EnvironmentProblem


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test a cache of its own; return the folder of its images."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "bms-hil-bench" / "firmware"


def test_an_image_is_built_once(tmp_path: Path, cache: Path) -> None:
    first = built(tmp_path / "fw", "STEP=2")
    made_ns = first.image.stat().st_mtime_ns
    assert built(tmp_path / "fw", "STEP=2") == first
    assert first.image.stat().st_mtime_ns == made_ns
    assert list(cache.iterdir()) == [first.image]


@pytest.mark.parametrize(
    "changed", ["app/bms.h", "port_lib/echo_firmware.c", "flags", "a new file"]
)
def test_whatever_goes_in_makes_another_image(tmp_path: Path, changed: str) -> None:
    """A header counts too: an image that is out of date would be judged under a wrong name."""
    first = built(tmp_path / "fw")
    if changed == "a new file":
        (tmp_path / "fw/app/more.c").write_text("int more(void);\nint more(void) { return 1; }\n")
    elif changed != "flags":
        path = tmp_path / "fw" / changed
        path.write_text(path.read_text() + "\n/* a word more */\n")
    other = built(tmp_path / "fw", *(["STEP=9"] if changed == "flags" else []))
    assert other.image != first.image
    assert (other.sha256 != first.sha256) == (changed in ("flags", "a new file"))


def test_the_image_is_the_same_wherever_its_sources_lie(tmp_path: Path) -> None:
    """With what debuggers are told too: a digest names the same firmware on every machine."""
    program("cc")
    recipe = library.RECIPE._replace(flags=(*library.RECIPE.flags, "-g"))
    first = build.build(recipe, (), sources(tmp_path / "here"))
    content = first.image.read_bytes()
    assert str(tmp_path).encode() not in content
    first.image.unlink()
    assert build.build(recipe, (), sources(tmp_path / "a" / "longer path")) == first
    assert first.image.read_bytes() == content


def test_what_is_said_of_an_image(tmp_path: Path) -> None:
    about = built(tmp_path / "fw", "STEP=4").about
    compiler = subprocess.run(  # noqa: S603 - the host's compiler
        [program("cc"), "--version"], capture_output=True, text=True, check=True
    )
    assert about["compiler"] == compiler.stdout.splitlines()[0]
    assert about["flags"].startswith("-std=c11 -O2")
    assert about["flags"].endswith(" -DSTEP=4")
    assert len(about["sources"]) == 64


def test_many_may_build_it_at_once(tmp_path: Path, cache: Path) -> None:
    program("cc")
    folder = sources(tmp_path / "fw")
    with ThreadPoolExecutor(8) as pool:
        images = set(pool.map(lambda _: built(folder).sha256, range(8)))
    assert len(images) == 1
    assert len(list(cache.iterdir())) == 1


def test_the_compilers_first_error_is_told(tmp_path: Path, cache: Path) -> None:
    program("cc")
    folder = sources(tmp_path / "fw")
    (folder / "app/wrong.c").write_text("int wrong(void) { return no_such_thing; }\n")
    with pytest.raises(EnvironmentProblem) as caught:
        built(folder)
    told = str(caught.value)
    assert told.startswith("the firmware cannot be built: app/wrong.c:1:26: error: ")
    assert "no_such_thing" in told
    assert "\n" not in told
    assert not list(cache.iterdir())


def test_what_is_declared_and_not_there_is_told(tmp_path: Path) -> None:
    """A shared library may lack a function until it is called: such an image must not run."""
    program("cc")
    folder = sources(tmp_path / "fw")
    (folder / "app/lacks.c").write_text("int no_such(void);\nint f(void) { return no_such(); }\n")
    with pytest.raises(EnvironmentProblem, match="undefined reference to `no_such'"):
        built(folder)


def test_a_flag_that_no_source_knows_is_refused(tmp_path: Path) -> None:
    program("cc")
    with pytest.raises(EnvironmentProblem, match="'DEFECT_STUK' stands in no source"):
        built(tmp_path / "fw", "STEP=1", "DEFECT_STUK=2")


@pytest.mark.parametrize("flag", ["", "A B", "A=", "A=1;rm", "-o", "A=$(x)", "1A", "A=@file"])
def test_what_is_no_flag_reaches_no_compiler(flag: str) -> None:
    with pytest.raises(ValueError, match="define: found"):
        ImageOptions(define=(flag,))


def test_an_image_that_is_built_takes_no_flags() -> None:
    with pytest.raises(ValueError, match="takes no flags"):
        ImageOptions(image="firmware.so", define=("STEP=2",))


@pytest.mark.parametrize("name", build.INSTALLED_BY)
def test_without_a_compiler_its_package_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    build._compiler.cache_clear()
    with pytest.raises(EnvironmentProblem) as caught:
        build.build(library.RECIPE._replace(compiler=name), (), sources(tmp_path / "fw"))
    install = f"sudo apt-get install --no-install-recommends {build.INSTALLED_BY[name]}"
    assert str(caught.value) == f"no compiler '{name}' for the firmware: {install}"


def test_without_sources_an_image_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match=r"no C sources in .*name an image"):
        build.build(library.RECIPE, (), tmp_path)


def test_a_cache_that_cannot_be_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(EnvironmentProblem, match="no place for firmware images"):
        built(tmp_path / "fw")


def test_an_image_of_ones_own_is_known_by_what_is_in_it(tmp_path: Path) -> None:
    made = built(tmp_path / "fw")
    own = tmp_path / "own.so"
    own.write_bytes(made.image.read_bytes())
    found = image_of(library.RECIPE, {"image": str(own)})
    assert (found.image.read_bytes(), found.sha256) == (own.read_bytes(), made.sha256)
    assert found.about == {"file": str(own)}


def test_an_image_that_is_not_there_is_told() -> None:
    with pytest.raises(EnvironmentProblem, match=r"no-such\.so: no such file"):
        image_of(library.RECIPE, {"image": "no-such.so"})


def test_the_layout_is_that_of_the_header(tmp_path: Path) -> None:
    """The compiler itself compares the figures of library.py with the structures of bms.h."""
    facts = {
        "BMS_MAX_RX": library.MAX_RX,
        "BMS_MAX_TX": library.MAX_TX,
        "BMS_MAX_SPI": library.MAX_SPI,
        "sizeof(struct bms_frame)": library.FRAME.size,
        "offsetof(struct bms_frame, length)": 4,
        "offsetof(struct bms_frame, data)": 8,
        "sizeof(struct bms_in)": library.IN_BYTES,
        "offsetof(struct bms_in, frames)": 0,
        "offsetof(struct bms_in, spi_bytes)": 4,
        "offsetof(struct bms_in, frame)": library.IN_FRAME_AT,
        "offsetof(struct bms_in, spi)": library.IN_SPI_AT,
        "sizeof(struct bms_out)": library.OUT_BYTES,
        "offsetof(struct bms_out, wake_us)": 0,
        "offsetof(struct bms_out, frames)": 8,
        "offsetof(struct bms_out, spi_bytes)": 12,
        "offsetof(struct bms_out, spi_select)": 16,
        "offsetof(struct bms_out, frame)": library.OUT_FRAME_AT,
        "offsetof(struct bms_out, spi)": library.OUT_SPI_AT,
    }
    asserted = "".join(f'_Static_assert({of} == {at}, "{of}");\n' for of, at in facts.items())
    source = tmp_path / "layout.c"
    source.write_text(f'#include "{HEADER.name}"\n{asserted}')
    compiled = subprocess.run(  # noqa: S603 - the host's compiler
        [program("cc"), "-std=c11", f"-I{HEADER.parent}", "-fsyntax-only", str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert compiled.returncode == 0, compiled.stderr
