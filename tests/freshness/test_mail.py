"""E-mail against the suite that any notifier must pass, over a real SMTP conversation, and what goes wrong with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from countersign.domain.errors import ProviderError, ProviderRejected, ProviderUnavailable
from countersign.domain.workspace import MailSettings, Secret
from countersign.storage.mail_notifier import MailNotifier
from countersign.testing.notifier_suite import NOTICE, NotifierSuite, NotifierUnderTest
from tests.freshness.smtp import MailSink
from tests.sources.test_mail import self_signed

pytestmark = pytest.mark.anyio


def settings(sink: MailSink, **more: object) -> MailSettings:
    plain = MailSettings(
        "127.0.0.1",
        "countersign@bank.test",
        ("ops@bank.test", "data@bank.test"),
        sink.port,
        "none",
        timeout_s=20,
    )
    return replace(plain, **more)  # type: ignore[arg-type]


class TestMailNotifier(NotifierSuite):
    @pytest.fixture
    async def under_test(self) -> AsyncIterator[NotifierUnderTest]:
        async with MailSink() as sink:
            yield NotifierUnderTest(
                MailNotifier(settings(sink), "tolkyn"),
                lambda times: sink.replies.extend(["451 later"] * times),
                lambda: [str(m["Message-ID"])[1:].partition("@")[0] for m in sink.messages],
            )


async def test_it_says_what_happened_and_nothing_else() -> None:
    notice = replace(
        NOTICE,
        event="source.stale",
        source="intranet",
        synced="2026-03-01T00:00:00.000Z",
        error="source_shrunk",
    )
    async with MailSink() as sink:
        await MailNotifier(settings(sink), "tolkyn").notify(notice)
        [message] = sink.messages
        assert sink.receivers == ["ops@bank.test", "data@bank.test"]
    assert message["Subject"] == "[tolkyn] Source intranet is older than allowed"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content().splitlines() == [
        "event: source.stale",
        "occurred: 2026-03-02T09:30:00.000Z",
        "tenant: bank",
        "source: intranet",
        "synced: 2026-03-01T00:00:00.000Z",
        "error: source_shrunk",
        "",
        "See what is wrong: countersign sources, or the page Sources of the console.",
    ]


@pytest.mark.parametrize("implicit", [False, True])
async def test_it_signs_in_over_tls_and_checks_the_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, implicit: bool
) -> None:
    certificate = self_signed(tmp_path / "mail.pem")
    async with MailSink(credentials=("desk", "sesam"), certificate=certificate, implicit=implicit) as sink:
        said = settings(
            sink,
            tls="implicit" if implicit else "starttls",
            user="desk",
            password=Secret("${env:MAIL}", "sesam"),
        )
        with pytest.raises(ProviderUnavailable) as told:
            await MailNotifier(said, "tolkyn").notify(NOTICE)
        assert told.value.code == "mail_certificate_untrusted"
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        await MailNotifier(said, "tolkyn").notify(NOTICE)
        assert (len(sink.messages), sink.encrypted) == (1, 1)
        wrong = replace(said, password=Secret("${env:MAIL}", "other"))
        with pytest.raises(ProviderRejected) as told:
            await MailNotifier(wrong, "tolkyn").notify(NOTICE)
        assert told.value.code == "mail_rejected"
        assert "other" not in f"{told.value} {told.value.hint}"


async def test_nobody_there_and_a_receiver_that_says_no() -> None:
    async with MailSink(replies=["550 no such sender"]) as sink:
        said = settings(sink)
        with pytest.raises(ProviderError) as told:
            await MailNotifier(said, "tolkyn").notify(NOTICE)
        assert told.value.code == "mail_rejected"
    with pytest.raises(ProviderUnavailable):
        await MailNotifier(said, "tolkyn").notify(NOTICE)
