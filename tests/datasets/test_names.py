"""Datasets by name: every file of the folder is one, unknown names get help."""

import inspect

import pytest

import pipelines
from pipelines.datasets import find


def test_every_file_defines_a_function_of_its_name():
    assert "camvid" in pipelines.names()
    for name in pipelines.names():
        assert inspect.isfunction(find(name)), name
        assert find(name).__doc__


def test_every_reader_says_where_limits_and_faulty_files_are_set():
    readers = [*map(find, pipelines.names()), pipelines.from_folders, pipelines.from_csv]
    with_files = [one for one in readers if "cache" in inspect.signature(one).parameters]
    assert len(with_files) >= 9
    for reader in with_files:
        text = " ".join((reader.__doc__ or "").split())
        assert (
            '"memory" or "disk" keep decoded pictures if they fit, None reads files every epoch. '
            "For a limit, or to skip faulty files, see `Dataset.reading`." in text
        ), reader.__name__


def test_an_unknown_name_gets_a_suggestion():
    with pytest.raises(ValueError, match=r"Unknown dataset 'camvit'.*Did you mean 'camvid'.*Avail"):
        pipelines.load("camvit", "somewhere")
    with pytest.raises(ValueError, match=r"Unknown dataset 'xyz'. Received: name='xyz'. Available"):
        pipelines.load("xyz")


def test_missing_root_and_unknown_options_are_refused():
    with pytest.raises(ValueError, match=r"Received: root=None\. Give root=.*`--root FOLDER`"):
        pipelines.load("camvid")
    with pytest.raises(ValueError, match=r"takes root, grouped, cache\. Received: cash\."):
        pipelines.load("camvid", "somewhere", cash=None)
    with pytest.raises(ValueError, match=r"takes num_images, size, seed\. Received: root\."):
        pipelines.load("street_scenes", "somewhere")


def test_load_stays_a_function_after_the_first_call():
    assert callable(pipelines.load)
    assert pipelines.load is pipelines.load


def test_a_name_that_pipelines_does_not_have_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        pipelines.lode  # noqa: B018
