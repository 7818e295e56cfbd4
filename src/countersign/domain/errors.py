"""The error tree: every failure a caller can meet has a stable code, says what happened and what to do next.

CountersignError
├── UsageError           the request or command is malformed
├── ConfigError          the workspace configuration is wrong
├── NotAuthenticated     no key, or a key that is not valid
├── NotFound             absent, or not visible to this principal: the two look the same from outside
├── NotPermitted         the principal's role does not allow this action (never says anything about a document)
├── Conflict             the state moved underneath: already claimed, already decided, a second owner
├── LimitExceeded        a rate, size or concurrency limit
├── BudgetExceeded       a hard money cap would be passed
├── ProviderError        a model or embedding endpoint failed
│   ├── ProviderUnavailable   unreachable, 5xx, or the breaker is open
│   ├── ProviderThrottled     429
│   ├── ProviderTimeout       the deadline passed
│   ├── ProviderRejected      4xx: the request itself was refused
│   └── ProviderGarbled       the reply did not follow its protocol
├── SourceError          a connector could not read its source
├── StorageError         the database, the disk or the index could not do its part
└── IntegrityError       a record, checkpoint or backup does not verify

A refusal or a hold is a value with a reason, not an error.
"""

from __future__ import annotations


class CountersignError(Exception):
    """Base of all errors that carry a stable `code`, a `message` (what happened) and a `hint` (what to do next)."""

    default_code = "internal"

    def __init__(self, message: str, *, code: str | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.code = code or self.default_code
        self.message = message
        self.hint = hint


class UsageError(CountersignError):
    default_code = "bad_request"


class ConfigError(CountersignError):
    """`line` is the 1-based line of the configuration file, when known."""

    default_code = "config_invalid"

    def __init__(
        self, message: str, *, code: str | None = None, hint: str = "", line: int | None = None
    ) -> None:
        super().__init__(message if line is None else f"line {line}: {message}", code=code, hint=hint)
        self.line = line


class NotAuthenticated(CountersignError):
    default_code = "not_authenticated"


class NotFound(CountersignError):
    default_code = "not_found"


class NotPermitted(CountersignError):
    default_code = "not_permitted"


class Conflict(CountersignError):
    default_code = "conflict"


class LimitExceeded(CountersignError):
    default_code = "limit_exceeded"


class BudgetExceeded(CountersignError):
    default_code = "budget_exceeded"


class ProviderError(CountersignError):
    default_code = "provider_error"


class ProviderUnavailable(ProviderError):
    default_code = "provider_unavailable"


class ProviderThrottled(ProviderError):
    default_code = "provider_throttled"


class ProviderTimeout(ProviderError):
    default_code = "provider_timeout"


class ProviderRejected(ProviderError):
    default_code = "provider_rejected"


class ProviderGarbled(ProviderError):
    default_code = "provider_garbled"


class SourceError(CountersignError):
    default_code = "source_unavailable"


class StorageError(CountersignError):
    default_code = "storage_unavailable"


class IntegrityError(CountersignError):
    default_code = "integrity_violated"
