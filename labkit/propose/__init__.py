"""Those who suggest candidates: one method each, and none of them knows the judge."""
