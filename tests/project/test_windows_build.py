"""What setup.py compiles with on Windows, by a made-up Visual Studio: clang-cl, else MSVC."""

import os
import platform
import sys
from types import SimpleNamespace
from unittest import mock

import pytest
import setuptools
from hypothesis import given
from hypothesis import strategies as st
from support import windows

SETUP = windows.setup_file()
find_clang_cl = SETUP["find_clang_cl"]

STUDIO = r"C:\Program Files\Microsoft Visual Studio\2022\Enterprise"
MSVC = STUDIO + r"\VC\Tools\MSVC\14.44.35207\bin\HostX86\x64\cl.exe"
OTHER = r"C:\BuildTools\VC\Tools\Llvm\x64\bin\clang-cl.exe"
VSWHERE = r"C:\Program Files (x86)\Microsoft Visual Studio\Installer\vswhere.exe"
# Where clang-cl may be, best first.
PLACES = [
    STUDIO + r"\VC\Tools\Llvm\x64\bin\clang-cl.exe",
    STUDIO + r"\VC\Tools\Llvm\bin\clang-cl.exe",
    r"D:\tools\clang-cl.exe",
    r"D:\more tools\clang-cl.exe",
    r"C:\Program Files\LLVM\bin\clang-cl.exe",
    OTHER,
]
ENVIRONMENT = {
    "PATH": r"C:\Windows;D:\tools;;D:\more tools",
    "ProgramFiles": r"C:\Program Files",
    "ProgramFiles(x86)": r"C:\Program Files (x86)",
}


def found(*there, machine="AMD64", **environment):
    """What is found if these files are there."""

    def ask(command):
        assert command[:-1] == [VSWHERE, "-products", "*", "-find"]
        return (OTHER + "\r\n").encode() if OTHER.endswith(command[-1]) and OTHER in there else b""

    with mock.patch.object(platform, "machine", return_value=machine):
        return find_clang_cl(ENVIRONMENT | environment, MSVC, {VSWHERE, *there}.__contains__, ask)


@given(st.sets(st.sampled_from(PLACES)))
def test_the_clang_cl_nearest_to_msvc_compiles(there):
    assert found(*there) == next((path for path in PLACES if path in there), None)


def test_on_arm64_its_own_clang_cl_is_preferred():
    own = STUDIO + r"\VC\Tools\Llvm\ARM64\bin\clang-cl.exe"
    assert found(own, *PLACES, machine="ARM64") == own
    assert found(*PLACES, machine="ARM64") == PLACES[0]


@pytest.mark.parametrize("cc", [r"D:\tools\clang-cl.exe",
                                r'"D:\tools\clang-cl"'])  # fmt: skip
def test_cc_may_be_the_path_of_clang_cl(cc):
    assert found(*PLACES, CC=cc) == r"D:\tools\clang-cl.exe"


@pytest.mark.parametrize("cc", ["clang-cl", "clang-cl.exe", "Clang-CL"])
@given(there=st.sets(st.sampled_from(PLACES), min_size=1))
def test_cc_may_require_clang_cl_wherever_it_is(cc, there):
    assert found(*there, CC=cc) == found(*there)


def test_cc_may_name_a_version():
    version = r"D:\tools\clang-cl-19.exe"
    assert found(*PLACES, version, CC="clang-cl-19") == version


@pytest.mark.parametrize("cc", ["cl", "CL.EXE", MSVC])
def test_cc_names_msvc(cc):
    assert found(*PLACES, CC=cc) is None


@pytest.mark.parametrize("cc", ["clang-cl", r"E:\nowhere\clang-cl.exe"])
def test_a_named_clang_cl_that_is_not_there_is_an_error(cc):
    with pytest.raises(FileNotFoundError, match="no such compiler"):
        found(PLACES[0] if "nowhere" in cc else VSWHERE, CC=cc)


def test_another_compiler_in_cc_is_ignored_in_words(capsys):
    assert found(*PLACES, CC="gcc") == PLACES[0]
    assert "CC=gcc is ignored" in capsys.readouterr().err


# -- setuptools' compiler -------------------------------------------------------------------------


@pytest.fixture
def msvc():
    """Setuptools' compiler for MSVC; commands are written down instead of run."""
    from setuptools._distutils.compilers.C import msvc

    folders = os.pathsep.join(["studio/include", "sdk/ucrt"])
    environment = {"include": folders, "lib": "studio/lib", "path": os.pathsep.join(["bin"])}

    class Msvc(msvc.Compiler):
        def call(self, cmd, **_):
            self.commands.append(cmd)

    with mock.patch.object(msvc, "_get_vc_env", return_value=environment):
        compiler = Msvc()
        compiler.initialize("win-amd64")
    compiler.commands = []  # of its copies too
    return compiler


def command_for(compiler):
    """The OptionalBuild that would run on Windows."""
    command = SETUP["OptionalBuild"](setuptools.Distribution())
    command.plat_name, command.compiler = "win-amd64", compiler
    return command


@pytest.fixture
def build(msvc, tmp_path, monkeypatch):
    """Build by a compiler that is `found`; return its commands and the extension."""
    monkeypatch.chdir(windows.ROOT)
    monkeypatch.delenv("CC", raising=False)

    def build(found, link=lambda *_: None):
        command = command_for(msvc)
        command.build_temp = str(tmp_path)
        extension = SETUP["extension"](SETUP["SOURCES"] / "_kernels.pyx")
        names = SETUP["OptionalBuild"].build_somehow.__globals__
        with (
            mock.patch.dict(names, find_clang_cl=lambda *_: found),
            mock.patch.object(SETUP["build_ext"], "build_extension", link),
        ):
            command.build_somehow(extension)
        assert command.compiler is msvc
        return SimpleNamespace(commands=msvc.commands, extension=extension)

    return build


def test_clang_cl_compiles_a_table_for_each_instruction_set(build):
    built = build(PLACES[0])
    by_set = {name: [] for name in ("baseline", *SETUP["X86"])}
    for command in built.commands:
        (target,) = (word.partition("=")[2] for word in command if "FASTNN_TARGET" in word)
        by_set[target].append(command)
    for name, flags in {"baseline": [], **SETUP["X86"]}.items():
        assert len(by_set[name]) == 2
        for command in by_set[name]:
            assert command[0] == PLACES[0]
            assert {f"/clang:{flag}" for flag in flags} == {
                word for word in command if word.startswith("/clang:-m")
            }
            assert {"/clang:-O3", "/clang:-ffp-contract=fast", "/std:c11"} <= set(command)
            assert "--target=x86_64-pc-windows-msvc" in command
            assert "/GL" not in command  # MSVC's intermediate code
    assert ("FASTNN_X86", None) in built.extension.define_macros
    assert len(built.extension.extra_objects) == 6


def test_clangs_own_headers_come_before_msvcs(build):
    for command in build(PLACES[0]).commands:
        assert [word for word in command if word.startswith("-I")] == ["-Ikernels/cython"]
        assert {"/imsvcstudio/include", "/imsvcsdk/ucrt"} <= set(command)


def test_without_clang_cl_msvc_compiles_the_baseline_and_the_build_says_so(build, capsys):
    built = build(None)
    assert len(built.commands) == 2
    for command in built.commands:
        assert command[0] == "cl.exe"
        assert {"/std:c11", "/O2", "/GL", "-Istudio/include"} <= set(command)
        assert not [word for word in command if word.startswith(("/clang", "-DFASTNN_X86", "--"))]
    said = capsys.readouterr().err
    assert "clang-cl was not found" in said
    assert "number by number" in said


def test_msvc_takes_the_place_of_a_clang_cl_that_fails(build, capsys):
    def link(command, extension):
        if command.compiler.cc == "old/clang-cl.exe":
            raise OSError("too old")

    built = build("old/clang-cl.exe", link)
    assert [command[0] for command in built.commands] == 6 * ["old/clang-cl.exe"] + 2 * ["cl.exe"]
    assert built.extension.define_macros == []
    assert "old/clang-cl.exe failed (OSError: too old)" in capsys.readouterr().err


def test_a_clang_cl_that_was_named_and_fails_is_an_error(build, monkeypatch):
    def link(*_):
        raise OSError("too old")

    monkeypatch.setenv("CC", "clang-cl")
    with pytest.raises(OSError, match="too old"):
        build("old/clang-cl.exe", link)


@pytest.mark.skipif(
    sys.platform != "win32" or os.environ.get("CC") != "clang-cl",
    reason="of a build on Windows with CC=clang-cl",
)
def test_this_build_has_vectors():
    from fastnn.kernels.cython import _kernels

    assert _kernels.compiler_without_vectors() is None
