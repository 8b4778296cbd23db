"""Performs a Dockerfile in bare root file systems, with `chroot` and name spaces for an engine.

What an engine does and this does too: stages from one base, COPY with owners, whole-second time
stamps (layers keep no more), ENV, WORKDIR, USER, and an ENTRYPOINT that is process 1 of its own
process name space. What it does not: layers, networks, limits, other processors.

Where packages come from is the machine's own affair: its settings of apt and pip are lent to the
roots and never become part of the project.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dockerfile import Context, Copy, Instruction, Stage

DEVICES = {"null": (1, 3), "zero": (1, 5), "random": (1, 8), "urandom": (1, 9)}
LENT = (
    "/etc/apt/sources.list",
    "/etc/apt/sources.list.d",
    "/etc/apt/apt.conf.d",
    "/etc/pip.conf",
    "/etc/resolv.conf",
    "/etc/ssl/certs/ca-certificates.crt",
)
SETTINGS = (
    "PIP_",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)


def ran(*words: str | Path, environment: Mapping[str, str] | None = None) -> str:
    """Run one of this machine's programs; return what it printed. Raises CalledProcessError."""
    done = subprocess.run(  # noqa: S603 - the words are this test's, and the Dockerfile's
        list(map(str, words)), check=True, env=environment, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


def lacking() -> str:
    """Say what this machine lacks to make bare roots; empty if nothing."""
    if os.geteuid() != 0:
        return "needs root, for chroot and mount"
    missing = [name for name in ("debootstrap", "unshare", "chroot") if not shutil.which(name)]
    if missing:
        return f"needs {' and '.join(missing)}"
    try:
        ran("unshare", "--mount", "--pid", "--fork", "true")
    except subprocess.CalledProcessError:
        return "needs the right to make name spaces"
    return ""


def bare_debian(root: Path) -> None:
    """Make a minimal Debian 12 from where this machine gets its packages."""
    mirror, *_ = ran(
        "apt-get", "indextargets", "--format", "$(REPO_URI)", "Codename: bookworm"
    ).split()
    ran("debootstrap", "--variant=minbase", "bookworm", root, mirror)
    for name, (major, minor) in DEVICES.items():
        (root / "dev" / name).unlink(missing_ok=True)
        os.mknod(root / "dev" / name, 0o020666, os.makedev(major, minor))
        (root / "dev" / name).chmod(0o666)
    # debootstrap writes one of its own; twice the same source is a warning a run
    (root / "etc/apt/sources.list").unlink(missing_ok=True)


def lend(root: Path) -> None:
    """Put this machine's settings into a root; before each RUN, as a package may replace them."""
    for lent in map(Path, LENT):
        to = root / lent.relative_to("/")
        if lent.is_dir():
            shutil.copytree(lent, to, dirs_exist_ok=True)
        elif lent.exists():
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(lent, to)


@dataclass
class Image:
    """A root file system, and what its instructions have set so far."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    user: str = "root"
    entrypoint: list[str] = field(default_factory=list)

    def command(self, words: Sequence[str], *, alone: bool = False) -> list[str]:
        """Return the command that runs ``words`` inside; ``alone``: as process 1 of its own."""
        inside = f'cd "{self.folder}" && exec "$@"'
        enter = ["chroot", f"--userspec={self.user}:{self.user}", str(self.root)]
        spaces = ["unshare", "--mount", f"--mount-proc={self.root / 'proc'}", "--pid", "--fork"]
        spaces += ["--kill-child=KILL"] if alone else []
        return [*spaces, *enter, "/bin/sh", "-c", inside, "sh", *words]

    def settings(self, lent: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment of a process inside: that of the image, and what is lent."""
        home = "/root" if self.user == "root" else f"/home/{self.user}"
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return {"PATH": path, "HOME": home, **self.environment, **(lent or {})}

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start the ENTRYPOINT with arguments, as `docker run` would."""
        return subprocess.Popen(  # noqa: S603 - the Dockerfile's own words
            self.command([*self.entrypoint, *arguments], alone=True),
            env=self.settings(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def megabytes(self, *inside: str) -> float:
        """Return how much these paths take on disk; with none, the whole image."""
        paths = [self.root / path.removeprefix("/") for path in inside or ("",)]
        out = ran("du", "--summarize", "--one-file-system", "--block-size=1", "--total", *paths)
        return int(out.split()[-2]) / 1e6


class Builder:
    """Performs the stages of a Dockerfile one after the other."""

    def __init__(self, base: Path, context: Context, folder: Path) -> None:
        """``base`` is the root that every FROM stands for; stages are made in ``folder``."""
        self._base, self._context, self._folder = base, context, folder
        self._stages: dict[str, Image] = {}

    def build(self, stages: Sequence[Stage]) -> Image:
        """Return the image of the last stage. Raises CalledProcessError for a RUN that fails."""
        for number, stage in enumerate(stages):
            root = self._folder / f"stage-{number}"
            ran("cp", "--archive", self._base, root)
            image = Image(root)
            for step in stage.steps:
                self._perform(step, image)
            self._stages[stage.name or str(number)] = image
        return image

    def _perform(self, step: Instruction, image: Image) -> None:
        """Perform one instruction; those that only describe the image are nothing to do."""
        match step.word:
            case "RUN":
                self._run(step, image)
            case "COPY":
                self._copy(Copy.of(step), image)
            case "ENV":
                image.environment |= step.pairs()
            case "USER":
                image.user = step.rest
            case "WORKDIR":
                image.folder = str(Path(image.folder) / step.rest)
                _inside(image, ".").mkdir(parents=True, exist_ok=True)
            case "ENTRYPOINT":
                image.entrypoint = step.words()

    def _run(self, step: Instruction, image: Image) -> None:
        """Run a command of the build; where pip gets packages is lent for this long."""
        lent = {key: value for key, value in os.environ.items() if key.startswith(SETTINGS)}
        lent["DEBIAN_FRONTEND"] = "noninteractive"
        lend(image.root)
        command = image.command(["/bin/sh", "-c", step.rest])
        print(ran(*command, environment=image.settings(lent)))  # noqa: T201 - for when it fails

    def _copy(self, copy: Copy, image: Image) -> None:
        """Copy files, or what is in folders; owned by root unless it says otherwise."""
        for source in copy.sources:
            target = _inside(image, copy.target)
            if copy.stage:
                found = _inside(self._stages[copy.stage], source)
                names = sorted(path.relative_to(found) for path in _below(found))
            else:
                found = self._context.root / source
                names = [path.relative_to(found) for path in _below(found)]
                names = sorted(name for name in names if self._context.sees(Path(source) / name))
            if found.is_file() and copy.target.endswith("/"):
                target /= found.name
            _copied(found, names, target)
            if copy.owner:
                inside = f"/{target.relative_to(image.root)}"
                ran("chroot", image.root, "chown", "--recursive", copy.owner, inside)


def _inside(image: Image, path: str) -> Path:
    """Return a path of the image, relative to its working folder, as this machine sees it."""
    return image.root / str(Path(image.folder) / path).lstrip("/")


def _below(found: Path) -> Iterator[Path]:
    """Yield a file, or a folder and all that is in it."""
    yield found
    if found.is_dir() and not found.is_symlink():
        yield from found.rglob("*")


def _copied(found: Path, names: Sequence[Path], target: Path) -> None:
    """Copy with whole-second time stamps: the archives that layers are kept in hold no more."""
    for name in names:
        source, to = found / name, target / name
        if source.is_dir() and not source.is_symlink():
            to.mkdir(parents=True, exist_ok=True)
            continue
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, to, follow_symlinks=False)
        os.lchown(to, 0, 0)
        if not to.is_symlink():
            second = int(source.stat().st_mtime)
            os.utime(to, (second, second))
