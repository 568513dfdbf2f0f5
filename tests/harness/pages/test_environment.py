from __future__ import annotations

import doctest

import pytest
from jinja2 import UndefinedError

from harness.pages import environment
from harness.pages.environment import policy, render


def test_examples():
    assert doctest.testmod(environment).failed == 0


def test_a_script_is_named_by_its_hash_and_nothing_else_may_run():
    # printf 'alert(1)' | openssl dgst -sha256 -binary | base64
    assert "script-src 'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='" in policy("alert(1)")
    assert "unsafe-inline" not in policy("alert(1)").partition("style-src")[0]
    assert "script-src" not in policy("")


def test_a_word_that_is_missing_is_an_error_and_not_a_hole():
    with pytest.raises(UndefinedError, match="heading"):
        render("report.html", {})
