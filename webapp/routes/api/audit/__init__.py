"""Handlers of /api/audit: entries with filters, the check of the chain, exports. Imports what ``routes`` may."""

from webapp.routes.api.audit import entries, exports

ROUTERS = (entries.router, exports.router)
