"""The fields of a posted form, each read with its limits, and the redirect to the next page with a flash message."""

import re
from collections.abc import AsyncIterator, Iterable
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Request
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import FormData, UploadFile

from federation.run.networks import STARTS_FROM_UPLOAD
from webapp.accounts.roles import Role
from webapp.pages.flash import PARAMETER, Flash, Flashes
from webapp.pages.start.form import UPLOAD
from webapp.pages.wording import sentence
from webapp.parts import Parts
from webapp.problems import Invalid
from webapp.routes.access import SEE_OTHER
from webapp.routes.dependencies import MAX_ID
from webapp.sanitizing import whole_number

T = TypeVar("T", bound=str)
MAX_IDS = 200
PAGES_WITH_FORMS = re.compile(r"/(clients|runs/[0-9]{1,15})?")


def _form(*, files: int, fields: int) -> Any:
    """Return the dependency that gives the fields of a form; one with more files or fields is refused."""

    async def read(request: Request) -> AsyncIterator[FormData]:
        async with request.form(max_files=files, max_fields=fields) as form:
            yield form

    return Depends(read)


FormDep = Annotated[FormData, _form(files=0, fields=2000)]
UploadFormDep = Annotated[FormData, _form(files=1, fields=2000)]
CaseDep = Annotated[FormData, _form(files=1, fields=3000)]
"""A case for a run's model has a field for each column."""


def sent_with_upload(fields: FormData, parts: Parts) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """Return what a start form sent as text, with the id of the weights that it uploads, and what is wrong there."""
    sent = [(name, value) for name, value in fields.multi_items() if isinstance(value, str)]
    file = file_of(fields, UPLOAD)
    if file is not None and _takes_weights(dict(sent)):
        sent = [(name, value) for name, value in sent if name != "initial_weights"]
        try:
            sent.append(("initial_weights", parts.runs.keep_upload(file.file, parts.settings.max_reply_bytes).id))
        except Invalid as error:
            return sent, {"initial_weights": sentence(error.fields[0].message)}
    return sent, {}


def _takes_weights(sent: dict[str, str]) -> bool:
    return sent.get("network") in STARTS_FROM_UPLOAD or sent.get("kind") == "evaluation"


def text_of(form: FormData, name: str) -> str:
    """Return a field's text, empty where the form does not send the field."""
    value = form.get(name)
    return value if isinstance(value, str) else ""


def file_of(form: FormData, name: str) -> UploadFile | None:
    """Return a field's file; None where none was chosen."""
    value = form.get(name)
    return value if isinstance(value, UploadFile) and value.filename else None


def number_of(form: FormData, name: str, label: str, most: int) -> int:
    """Return a field's whole number from 1 to ``most``; raises Invalid."""
    number = whole_number(form.get(name), least=1, most=most)
    if number is None:
        raise Invalid(name, f"{label} must be a whole number from 1 to {most:,}")
    return number


def choice_of(form: FormData, name: str, choices: Iterable[T], otherwise: str) -> T:
    """Return the choice that a field names; raises Invalid with a sentence where it names none."""
    choice = next((choice for choice in choices if choice == text_of(form, name)), None)
    if choice is None:
        raise Invalid(name, otherwise)
    return choice


def role_of(form: FormData) -> Role:
    """Return the role that a form names; raises Invalid."""
    return choice_of(form, "role", Role, "Choose a role")


def ids_of(form: FormData) -> list[int]:
    """Return the ids that a form sends, each once, in their order; other values are ignored."""
    numbers = (whole_number(value, least=1, most=MAX_ID) for value in form.getlist("id"))
    return list(dict.fromkeys(number for number in numbers if number is not None))[:MAX_IDS]


def page_of(form: FormData, default: str) -> str:
    """Return the page that the form stands on: its field ``back`` where that is a page with such forms."""
    back = text_of(form, "back")
    return back if PAGES_WITH_FORMS.fullmatch(back) else default


async def get_flashes(request: Request) -> Flashes:
    """Return the flash messages that wait for their page."""
    flashes: Flashes = request.app.state.flashes
    return flashes


FlashesDep = Annotated[Flashes, Depends(get_flashes)]


def see_other(flashes: Flashes, address: str, flash: Flash) -> Response:
    """Redirect to a page that shows the message once."""
    query = urlencode({PARAMETER: flashes.put(flash)})
    return RedirectResponse(f"{address}{'&' if '?' in address else '?'}{query}", SEE_OTHER)
