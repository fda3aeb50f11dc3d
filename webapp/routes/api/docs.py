"""/docs: the description of the API, drawn by a Swagger UI of our own server."""

from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, JSONResponse

from webapp.pages.templating import templates, with_root
from webapp.routes.access import COOKIE
from webapp.routes.policy import POLICY, Need

router = APIRouter(include_in_schema=False)

SCHEMES = {
    "token": {"type": "http", "scheme": "bearer", "description": "An API token, made on the Account page."},
    "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "A person signed in in a browser."},
}


@router.get("/openapi.json")
def show_description(request: Request) -> JSONResponse:
    """Return the description of the API."""
    return JSONResponse(request.app.openapi())


@router.get("/docs")
def show_docs(request: Request) -> HTMLResponse:
    """Return the page that draws /openapi.json."""
    html = templates().get_template("docs.html").render(request=request)
    return HTMLResponse(with_root(html, request.app.state.root_path))


def describe_api(app: FastAPI) -> None:
    """Make the description tell that refusals are problem+json, and which role each call needs."""

    def description() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title, version=app.version, summary=app.summary, routes=app.routes,
                license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
            )  # fmt: skip
            if root_path := app.state.root_path:
                schema["servers"] = [{"url": root_path}]
            schema.setdefault("components", {})["securitySchemes"] = SCHEMES
            for path, operations in schema["paths"].items():
                for method, operation in operations.items():
                    _mend(operation["responses"])
                    _add_need(operation, POLICY[method.upper(), path])
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = description  # type: ignore[method-assign]


def _add_need(operation: dict[str, Any], need: Need) -> None:
    """Say in the description of a call who may make it; in local mode, without accounts, everyone may."""
    if need is Need.OPEN:
        operation["security"] = []
        return
    operation["security"] = [{"token": []}, {"session": []}]
    operation["description"] += f"\n\nNeeds the role {need}."
    problem = operation["responses"]["403"]["content"]
    operation["responses"]["401"] = {"description": "Without valid credentials.", "content": problem}
    operation["responses"]["403"] = {
        "description": "The request comes from another site, or the role does not allow it.", "content": problem,
    }  # fmt: skip


def _mend(responses: dict[str, Any]) -> None:
    for status, response in responses.items():
        if status.startswith(("4", "5")) and (content := response.get("content", {}).pop("application/json", None)):
            response["content"] = {"application/problem+json": content}
