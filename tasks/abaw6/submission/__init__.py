"""Official submission files of the five tracks: their form, read, written, and checked before a jury does."""

from abaw6.submission.form import FORMS, Form, Place, form_of
from abaw6.submission.read import OFFICIAL, read

__all__ = ["FORMS", "OFFICIAL", "Form", "Place", "form_of", "read"]
