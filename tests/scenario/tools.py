"""Programs of the system that some tests need, and who must have them."""

import os
import shutil

import pytest

SEARCHED = f"{os.environ.get('PATH', '')}:/usr/sbin"  # where Debian has daemons, off a user's path
INSTALLED_BY = {
    "mosquitto": "mosquitto",
    "mosquitto_sub": "mosquitto-clients",
    "cc": "gcc libc6-dev",
    "cppcheck": "cppcheck",
    "arm-none-eabi-gcc": "gcc-arm-none-eabi",
    "qemu-system-arm": "qemu-system-arm",
    "clang": "clang libclang-rt-14-dev",
}
"""Debian's packages; ``.ci/system`` installs them where it may, all but clang."""


def program(name: str) -> str:
    """Return the path of a program; without it a test is skipped, and in CI it fails."""
    found = shutil.which(name, path=SEARCHED)
    if found is None:
        packages = INSTALLED_BY[name]
        told = f"no {name}: sudo apt-get install --no-install-recommends {packages}"
        if os.environ.get("HIL_CI"):
            pytest.fail(told)
        pytest.skip(told)
    return found
