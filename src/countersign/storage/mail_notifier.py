"""Notices as e-mail over one SMTP server: plain text, no document's words, sent from a thread."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from email.headerregistry import Address
from email.message import EmailMessage

from countersign.domain.clock import iso
from countersign.domain.errors import ProviderError, ProviderRejected, ProviderTimeout, ProviderUnavailable
from countersign.domain.workspace import MailSettings
from countersign.review.notify import Notice, NoticeEvent
from countersign.review.signing import fields_of

_HINT = "The notice is kept and tried again; look at the mail server."
_SUBJECTS: dict[NoticeEvent, str] = {
    "source.stale": "Source {source} is older than allowed",
    "source.recovered": "Source {source} is fresh again",
    "review.opened": "An answer waits for review",
    "review.overdue": "An answer waits too long for review",
    "review.decided": "An answer was decided",
}
_NEXT: dict[NoticeEvent, str] = {
    "source.stale": "See what is wrong: countersign sources, or the page Sources of the console.",
}


class MailNotifier:
    """A `Notifier`. `workspace` is its name, for the subject."""

    def __init__(self, settings: MailSettings, workspace: str) -> None:
        self._settings = settings
        self._workspace = workspace

    @property
    def region(self) -> str:
        return self._settings.region

    async def notify(self, notice: Notice) -> None:
        await asyncio.to_thread(self._send, message_of(notice, self._settings, self._workspace))

    def _send(self, message: EmailMessage) -> None:
        try:
            with self._connected() as server:
                refused = server.send_message(message)
        except TimeoutError:
            raise ProviderTimeout(
                "the mail server did not answer in time", code="mail_timeout", hint=_HINT
            ) from None
        except ssl.SSLCertVerificationError:
            raise ProviderUnavailable(
                "the mail server's certificate is not trusted",
                code="mail_certificate_untrusted",
                hint="Add the authority that issued it to this machine's, or name it in SSL_CERT_FILE.",
            ) from None
        except smtplib.SMTPException as error:
            raise _failure(error) from None
        except OSError:
            raise ProviderUnavailable(
                "the mail server cannot be reached", code="mail_unavailable", hint=_HINT
            ) from None
        if refused:
            raise ProviderRejected(
                f"the mail server refused {len(refused)} of {len(self._settings.to)} receivers",
                code="mail_rejected",
                hint="Correct `notify.email.to`.",
            )

    def _connected(self) -> smtplib.SMTP:
        to = self._settings
        if to.tls == "implicit":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                to.host, to.port, timeout=to.timeout_s, context=ssl.create_default_context()
            )
        else:
            server = smtplib.SMTP(to.host, to.port, timeout=to.timeout_s)
        try:
            if to.tls == "starttls":
                server.starttls(context=ssl.create_default_context())
            if to.user:
                server.login(to.user, to.password.value if to.password else "")
        except (OSError, smtplib.SMTPException):
            server.close()
            raise
        return server


def message_of(notice: Notice, settings: MailSettings, workspace: str) -> EmailMessage:
    """The same id for every repetition, so that a mailbox can tell."""
    message = EmailMessage()
    message["From"] = settings.sender
    message["To"] = ", ".join(settings.to)
    message["Subject"] = f"[{workspace}] {_SUBJECTS[notice.event].format(source=notice.source)}"
    message["Date"] = notice.occurred
    message["Message-ID"] = f"<{notice.notice_id}@{Address(addr_spec=settings.sender).domain}>"
    message["Auto-Submitted"] = "auto-generated"
    lines = [f"event: {notice.event}", f"occurred: {iso(notice.occurred)}", f"tenant: {notice.tenant}"]
    lines += [f"{name}: {getattr(notice, name) or '-'}" for name in fields_of(notice.event)]
    message.set_content("\n".join([*lines, "", _NEXT.get(notice.event, "")]).rstrip() + "\n")
    return message


def _failure(error: smtplib.SMTPException) -> ProviderError:
    """A 4xx reply asks to come again; a 5xx will say the same to every repetition. Its text is not passed on."""
    code = getattr(error, "smtp_code", 0)
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return ProviderRejected(
            "the mail server refused the sign-in", code="mail_rejected", hint="Correct `notify.email`."
        )
    if isinstance(error, (smtplib.SMTPServerDisconnected, smtplib.SMTPConnectError)) or 400 <= code < 500:
        return ProviderUnavailable(f"the mail server answered {code}", code="mail_unavailable", hint=_HINT)
    return ProviderRejected(f"the mail server answered {code}", code="mail_rejected", hint=_HINT)
