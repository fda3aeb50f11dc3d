"""The schema that the clients of a run agreed on, in words, and as a run's row has it."""

from federation.schema.columns import AgreedSchema
from webapp.db.database import Session
from webapp.db.repository.runs import stored_agreement
from webapp.formatting import plural

MAX_CLASSES_NAMED = 6


def agreed_schema(session: Session, run_id: int) -> AgreedSchema | None:
    """Return what the clients of a run agreed on; None for published data, and before the agreement."""
    stored = stored_agreement(session, run_id)
    return AgreedSchema.model_validate(stored) if stored is not None else None


def agreement_sentence(schema: AgreedSchema) -> str:
    """Say what the clients of a run agreed on: ``29 columns, the classes benign, malignant of diagnosis``."""
    if schema.task == "number":
        target = f"the number {schema.target}"
    else:
        named = ", ".join(schema.classes[:MAX_CLASSES_NAMED])
        more = len(schema.classes) - MAX_CLASSES_NAMED
        target = f"the classes {named}{f' and {more:,} more' if more > 0 else ''} of {schema.target}"
    inputs = plural(len(schema.columns), "column") if schema.form == "table" else " × ".join(map(str, schema.shape))
    return f"The clients agreed on {inputs} and {target}"
