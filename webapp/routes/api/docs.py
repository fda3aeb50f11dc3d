"""/docs: the description of the API, drawn by a Swagger UI of our own server."""

from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse

from webapp.pages.templating import templates, with_root

router = APIRouter(include_in_schema=False)


@router.get("/docs")
def show_docs(request: Request) -> HTMLResponse:
    """Return the page that draws /openapi.json."""
    html = templates().get_template("docs.html").render(request=request)
    return HTMLResponse(with_root(html, request.app.state.root_path))


def describe_api(app: FastAPI) -> None:
    """Make the description tell that refusals are problem+json."""

    def description() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title, version=app.version, summary=app.summary, routes=app.routes,
                license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
            )  # fmt: skip
            if root_path := app.state.root_path:
                schema["servers"] = [{"url": root_path}]
            for operations in schema["paths"].values():
                for operation in operations.values():
                    _mend(operation["responses"])
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = description  # type: ignore[method-assign]


def _mend(responses: dict[str, Any]) -> None:
    for status, response in responses.items():
        if status.startswith("4") and (content := response.get("content", {}).pop("application/json", None)):
            response["content"] = {"application/problem+json": content}
