"""Files that are replaced: permissions, owner, attributes, long names, folders that are synced."""

import errno
import os
import random
import stat
import struct
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastnn.system.files
from fastnn.system.files import hidden_beside, write_whole

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="Python reads attributes on Linux only")
AS_ROOT = pytest.mark.skipif(
    getattr(os, "geteuid", lambda: 1)() != 0, reason="only root gives files away"
)


def write(path, data=b"new"):
    with write_whole(path) as file:
        file.write(data)


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def refuse(*arguments, **options):
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def without(what, monkeypatch):
    """Have the system refuse a way of writing, so that another is taken."""
    if what == "files without a name":
        monkeypatch.setattr(fastnn.system.files, "_unnamed", lambda *_: None)
    elif what == "links":
        monkeypatch.setattr("os.link", refuse)


ways = pytest.mark.parametrize("refused", ["nothing", "files without a name", "links"])


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """Makes an empty folder for each example that is drawn."""
    folder = tmp_path_factory.mktemp("files")
    return lambda: Path(tempfile.mkdtemp(dir=folder))


# -- names ----------------------------------------------------------------------------------------

ALPHABETS = ("a", "aé", "日本", "😀a", "a\u0301", "é日😀x.")


def names_up_to(n_bytes):
    """Names of a random length up to the file system's limit, most of them near it."""
    lengths = st.one_of(st.integers(1, n_bytes), st.integers(n_bytes - 40, n_bytes))

    def cut(drawn):
        alphabet, length, seed = drawn
        draw, name = random.Random(seed), ""
        while True:
            longer = name + draw.choice(alphabet)
            if len(os.fsencode(longer)) > length:
                return name or "n"
            name = longer

    drawn = st.tuples(st.sampled_from(ALPHABETS), lengths, st.integers(0, 2**32))
    return drawn.map(cut).filter(lambda name: name not in (".", ".."))


@ways
def test_names_up_to_the_limit_of_the_file_system(tmp_path, refused):
    try:
        limit = os.pathconf(tmp_path, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):
        limit = 255

    @given(names_up_to(limit))
    def check(name):
        path = tmp_path / name
        try:
            path.touch()
        except OSError:
            return  # a name that cannot be here: other systems count otherwise
        path.unlink()
        for data in (b"first", b"second"):
            write(path, data)
            assert path.read_bytes() == data
        assert len(os.listdir(tmp_path)) == 1
        path.unlink()

    with pytest.MonkeyPatch.context() as monkeypatch:
        without(refused, monkeypatch)
        check()


@given(names_up_to(255), names_up_to(255), st.sampled_from(["lock", "0123456789abcdef"]))
def test_hidden_names_are_short_and_one_for_each_name(name, other, ending):
    hidden = hidden_beside(Path("folder") / name, ending).name
    assert len(os.fsencode(hidden)) <= 143  # eCryptfs allows no more
    assert hidden.startswith(".")
    assert hidden.endswith(f".{ending}")
    hidden.encode()  # no half of a character
    for changed in (other, name + "a", name[:-1] + "b", "b" + name[1:]):
        if changed != name:
            assert hidden_beside(Path("folder") / changed, ending).name != hidden


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes")
def test_a_name_that_is_no_text_is_written(tmp_path):
    for name in (b"\xff\xfe", b"\xff" * 255, b"a" * 99 + b"\xe9" * 100):
        write(tmp_path / os.fsdecode(name))
        assert name in os.listdir(os.fsencode(tmp_path))


def test_a_name_past_the_limit_is_an_error_in_words(tmp_path):
    with pytest.raises(OSError, match="cannot write"):
        write(tmp_path / ("n" * 300))
    assert os.listdir(tmp_path) == []


# -- permissions ----------------------------------------------------------------------------------

modes = st.integers(0, 0o777)


@POSIX
@ways
@given(mode=modes, umask=modes)
def test_a_replaced_file_keeps_its_mode_and_a_new_one_has_the_usual(fresh, refused, mode, umask):
    folder = fresh()
    old, new, usual = folder / "old", folder / "new", folder / "usual"
    old.touch()
    old.chmod(mode)
    before = os.umask(umask)
    try:
        with pytest.MonkeyPatch.context() as monkeypatch:
            without(refused, monkeypatch)
            write(old)
            write(new)
        usual.touch()
    finally:
        os.umask(before)
    assert mode_of(old) == mode
    assert mode_of(new) == mode_of(usual)
    old.chmod(0o600)
    assert old.read_bytes() == b"new"


def watched(path, allowed, monkeypatch, write):
    """Call `write` and, after each line of fastnn's, compare all modes in the folder.

    Returns the modes beyond `allowed` that were seen.
    """
    seen = set()

    def look(frame, event, _):
        if "fastnn" not in frame.f_code.co_filename:
            return None
        with os.scandir(path.parent) as entries:
            for entry in entries:
                seen.add(stat.S_IMODE(entry.stat().st_mode) & ~allowed)
        return look

    before = sys.gettrace()
    sys.settrace(look)
    try:
        write()
    finally:
        sys.settrace(before)
    assert seen, "nothing was seen"
    return seen - {0}


@POSIX
@ways
@given(mode=modes.map(lambda mode: mode | 0o600), data=st.binary(max_size=100))
def test_at_no_moment_is_there_a_file_that_more_may_read(fresh, refused, mode, data):
    path = fresh() / "file"
    path.touch()
    path.chmod(mode)
    before = os.umask(0)
    try:
        with pytest.MonkeyPatch.context() as monkeypatch:
            without(refused, monkeypatch)
            assert not watched(path, mode, monkeypatch, lambda: write(path, data))
    finally:
        os.umask(before)
    assert path.read_bytes() == data


@POSIX
@AS_ROOT
@ways
@given(owner=st.integers(1, 60_000), group=st.integers(1, 60_000), mode=st.integers(0, 0o7777))
def test_root_keeps_owner_and_group(fresh, refused, owner, group, mode):
    path = fresh() / "file"
    path.touch()
    os.chown(path, owner, group)
    path.chmod(mode)
    with pytest.MonkeyPatch.context() as monkeypatch:
        without(refused, monkeypatch)
        write(path)
    now = path.stat()
    assert (now.st_uid, now.st_gid, stat.S_IMODE(now.st_mode)) == (owner, group, mode)


@POSIX
@ways
@given(mode=st.integers(0, 0o7777))
def test_without_the_old_group_nobody_gains(fresh, refused, mode):
    path = fresh() / "file"
    path.touch()
    other = os.stat(path).st_gid + 1
    real = os.stat

    def of_another_group(file, *arguments, **options):
        found = real(file, *arguments, **options)
        if isinstance(file, Path) and file.name == "file":
            fields = list(found)
            fields[stat.ST_GID] = other
            return os.stat_result(fields)
        return found

    path.chmod(mode)
    mode = mode_of(path)  # not every user may set each bit
    with pytest.MonkeyPatch.context() as monkeypatch:
        without(refused, monkeypatch)
        monkeypatch.setattr("os.chown", refuse)
        monkeypatch.setattr("os.stat", of_another_group)
        write(path)
    now = mode_of(path)
    group, others = mode >> 3 & 7, mode & 7
    assert now & 0o7700 == mode & 0o1700  # without the bits that lend an identity
    assert now >> 3 & 7 == now & 7 == group & others


def as_user(work):
    """Do `work` in a child that is an ordinary user of one more group; return whether it did."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([4322])
            os.setgid(4321)
            os.setuid(4321)
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1] == 0


@POSIX
@AS_ROOT
@pytest.mark.parametrize("of_group", [4322, 4323], ids=["a group of his", "another group"])
def test_a_user_keeps_a_group_of_his_on_a_file_of_another_user(tmp_path, of_group):
    folder = tmp_path / "shared"
    folder.mkdir()
    for parent in (folder, *folder.parents):
        if not mode_of(parent) & 0o001 and parent.owner() != "root":
            pytest.skip("an ordinary user cannot come here")
    opened = [p for p in folder.parents if not mode_of(p) & 0o001]
    before = {p: mode_of(p) for p in opened}
    try:
        for p in opened:
            p.chmod(before[p] | 0o011)
        folder.chmod(0o777)
        path = folder / "file"
        path.touch()
        os.chown(path, 99, of_group)
        path.chmod(0o664)
        assert as_user(lambda: write(path))
    finally:
        for p in opened:
            p.chmod(before[p])
    now = path.stat()
    kept = of_group == 4322
    assert (now.st_uid, now.st_gid) == (4321, of_group if kept else 4321)
    assert stat.S_IMODE(now.st_mode) == (0o664 if kept else 0o644)


# -- extended attributes --------------------------------------------------------------------------

ACCESS_LIST, DEFAULT_LIST = "system.posix_acl_access", "system.posix_acl_default"
OWNER, USER, GROUP, NAMED_GROUP, MASK, OTHERS = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
NOBODY = 2**32 - 1


def access_list(owner, users, group, groups, mask, others):
    """A POSIX access control list as Linux stores it: version, then tag, rights and id of each."""
    entries = [
        (OWNER, owner, NOBODY),
        *((USER, rights, user) for user, rights in sorted(users.items())),
        (GROUP, group, NOBODY),
        *((NAMED_GROUP, rights, name) for name, rights in sorted(groups.items())),
        (MASK, mask, NOBODY),
        (OTHERS, others, NOBODY),
    ]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


rights = st.integers(0, 7)
named = st.dictionaries(st.integers(1, 9999), rights, min_size=1, max_size=4)
access_lists = st.builds(
    access_list, rights, named, rights, st.one_of(st.just({}), named), rights, rights
)


@pytest.fixture(scope="module")
def folder_of_attributes(tmp_path_factory):
    """A folder on a file system that keeps attributes and access control lists."""
    folder = tmp_path_factory.mktemp("attributes")
    if sys.platform != "linux":
        pytest.skip("Python reads attributes on Linux only")
    path = folder / "file"
    path.touch()
    try:
        os.setxattr(path, "user.fastnn", b"1")
        os.setxattr(path, ACCESS_LIST, access_list(6, {1: 4}, 0, {}, 4, 0))
    except OSError as error:
        pytest.skip(f"the file system keeps none: {error}")
    path.unlink()
    return folder


def attributes(path):
    return {name: os.getxattr(path, name) for name in os.listxattr(path)}


@ways
@given(
    mode=modes,
    values=st.dictionaries(st.text("abc", min_size=1, max_size=5), st.binary(max_size=50)),
    acl=st.none() | access_lists,
    inherited=st.none() | access_lists,
)
def test_attributes_and_access_lists_are_kept(
    folder_of_attributes, refused, mode, values, acl, inherited
):
    folder = folder_of_attributes / os.urandom(8).hex()
    folder.mkdir()
    path = folder / "file"
    path.touch()
    for name, value in values.items():
        os.setxattr(path, f"user.{name}", value)
    if acl is not None:
        os.setxattr(path, ACCESS_LIST, acl)
    path.chmod(mode | 0o600)  # who may not read a file does not see its attributes
    if inherited is not None:
        os.setxattr(folder, DEFAULT_LIST, inherited)
    expected = attributes(path), mode_of(path)
    with pytest.MonkeyPatch.context() as monkeypatch:
        without(refused, monkeypatch)
        write(path)
    assert (attributes(path), mode_of(path)) == expected


@given(acl=access_lists)
def test_where_the_access_list_is_lost_only_the_owner_may_read(folder_of_attributes, acl):
    path = folder_of_attributes / os.urandom(8).hex()
    path.touch()
    os.setxattr(path, ACCESS_LIST, acl)
    before = mode_of(path)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("os.setxattr", refuse)
        write(path)
    assert mode_of(path) == before & 0o700


# -- the folder -----------------------------------------------------------------------------------


@POSIX
def test_the_folder_is_synced_after_the_rename(tmp_path, monkeypatch):
    done, real, replace = [], os.fsync, Path.replace

    def fsync(descriptor):
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        done.append(("folder", os.fstat(descriptor).st_ino) if is_folder else "file")
        real(descriptor)

    monkeypatch.setattr("os.fsync", fsync)
    monkeypatch.setattr(Path, "replace", lambda *a: (done.append("rename"), replace(*a)))
    write(tmp_path / "file")
    assert done == ["file", "rename", ("folder", tmp_path.stat().st_ino)]


@POSIX
@pytest.mark.parametrize("code", [errno.EINVAL, errno.EIO])
def test_a_folder_that_cannot_be_synced_is_well_and_one_that_fails_is_not(
    tmp_path, monkeypatch, code
):
    real = os.fsync

    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        real(descriptor)

    monkeypatch.setattr("os.fsync", fsync)
    if code == errno.EIO:
        with pytest.raises(OSError, match="cannot write"):
            write(tmp_path / "file")
    else:
        write(tmp_path / "file")
    assert os.listdir(tmp_path) == ["file"]
