"""The record: append-only events, one hash chain a tenant, signed checkpoints, and an offline verifier.

Audit, trace and cost are views of the same events. `facts` are kept for ever; `personal` text lies beside the chain
and only a salted commitment to it is chained, so erasing it leaves the chain verifiable. `actor` is the user's name and
stays in the chain: an auditor must be able to say who acted. A deployment whose user names are themselves personal
data names its users by staff number.

Facts that the views read, by convention: `duration_ms` (how long the step took), `answer_id` (when the subject is
something else), and on `model.called`: `assistant`, `model`, `input_tokens`, `output_tokens`, `amount` (null when the
price is unknown), `currency`, `unmetered`.
"""
