"""The page of the audit log."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from webapp.pages.audit_log import OUTCOMES, audit_page, audit_query
from webapp.routes.html.page import PageDep

router = APIRouter(include_in_schema=False)


@router.get("/audit")
def show(page: PageDep) -> HTMLResponse:
    """Show the newest entries, or those that match the filters; ``check`` looks at the whole chain first."""
    log = page.parts.audit
    check = log.check() if "check" in page.request.query_params else log.checked
    shown = audit_page(page.session, audit_query(page.request.query_params), check)
    return page.show("audit/index.html", "/server", page=shown, outcomes=OUTCOMES)
