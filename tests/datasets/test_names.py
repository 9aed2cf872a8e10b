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


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        (("camvit", "somewhere"), {}, r"Unknown dataset 'camvit'.*Did you mean 'camvid'.*Avail"),
        (("xyz",), {}, r"Unknown dataset 'xyz'. Received: name='xyz'. Available"),
        (("camvid",), {}, r"Received: root=None\. Give root=.*`--root FOLDER`"),
        (
            ("camvid", "somewhere"),
            {"cash": None},
            r"takes root, grouped, cache\. Received: cash\.",
        ),
        (("cityscapes", "somewhere"), {}, r"folder of dataset 'cityscapes' does not exist.*'somew"),
        (("street_scenes", "somewhere"), {}, r"takes num_images, size, seed\. Received: root\."),
    ],
)
def test_unknown_names_and_options_are_refused(arguments, options, words):
    with pytest.raises(ValueError, match=words):
        pipelines.load(*arguments, **options)


def test_load_stays_a_function_after_the_first_call():
    assert callable(pipelines.load)
    assert pipelines.load is pipelines.load


def test_a_name_that_pipelines_does_not_have_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        pipelines.lode  # noqa: B018
