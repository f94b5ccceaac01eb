"""One stream of a mailbox: to let it go on."""

from __future__ import annotations

from terracrm.models import STOPPED, Stream, StreamState, utcnow


def restart(stream: Stream) -> None:
    """It is due now, whatever it waited for: a person, or the end of its back-off."""
    if stream.state in (*STOPPED, StreamState.BACKOFF):
        stream.state = StreamState.OK if stream.last_success_at else StreamState.NEW
    stream.failures, stream.last_error, stream.due_at = 0, "", utcnow()
    stream.is_refused = False
