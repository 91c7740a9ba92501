"""The named queries: what each asks, and its SQL."""

from pipeline.pages.facts import Facts
from pipeline.pages.names import QUERIES, anchor
from pipeline.pages.site import Found, Page


def queries(facts: Facts) -> list[Page]:
    """Make the page of the named queries, if there are some."""
    known = [*facts.queries.values()]
    found = [Found("query", of.name, of.question, anchor(of.name)) for of in known]
    page = Page(QUERIES, "Queries", "queries", {"queries": known}, found)
    return [page] if known else []
