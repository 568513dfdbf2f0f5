"""Official submission files of the five tracks: their form, read, written, and checked before a jury does."""

from abaw6.submission.form import FORMS, Form, Place, form_of
from abaw6.submission.read import Submitted, read

__all__ = ["FORMS", "Form", "Place", "Submitted", "form_of", "read"]
