"""The audit: what of a campaign is proven by what is kept, what is only stated, and what fails.

Covered: the database (whole, its triggers, no row taken out), settings, generations, entries, rate points and what
their figures say of each other, sources and their hashes, the static check, verdicts and BD-rates, checks, git tags
and files of the versions, costs; containers decoded behind the wall with their own source to the stated figures.
Not covered: somebody who can run the lab can make a campaign of lies that agree with each other; what happened on
a machine that lied about its clips. Compare the clips' hashes, and run the campaign again.
"""

from labkit.audit.audit import audit
from labkit.audit.finding import AuditReport, Finding, Kind

__all__ = ["AuditReport", "Finding", "Kind", "audit"]
