"""Whether a page is a server's way of saying that there is none: "not found", "access denied", "sign in", with status 200.

Told by a heading that says nothing else, on a page that has little more to say. A page that explains such messages to
people ("Error 404: what to do", "Как войти в систему") is a document.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence

_HTML = re.compile(
    rb"(?i)[\s\xef\xbb\xbf]*(?:<\?xml[^>]{0,200}>\s*)?(?><!--.{0,400}?-->\s*+)*+(?:<!doctype\s+html|<html)",
    re.S,
)
_NEVER_HTML = frozenset(
    [
        "pdf",
        "docx",
        "xlsx",
        "pptx",
        "docm",
        "xlsm",
        "pptm",
        "odt",
        "ods",
        "odp",
        "epub",
        "zip",
        "png",
        "jpg",
        "jpeg",
        "tif",
        "tiff",
        "gif",
        "webp",
    ]
)
"""Formats that never begin as HTML does. Old `.doc` and `.xls` are missing: many programs write HTML under these names."""
_SHORT, _LONG = 200, 3_000
"""Characters of a page: so few say nothing beside the heading; with more, the words of a server must be among them."""
_STATUS = r"(?:4[01]\d|429|50[0-5])"
_SORRY = r"(?:(?:sorry|oops|whoops|упс|ой|извините|простите|кешіріңіз|өкінішке қарай)\W+)?"
_THING = r"(?:page|file|document|url|resource|site|object)"
_PHRASES = (
    rf"(?:(?:the|this|that) )?(?:requested )?(?:{_THING} )?(?:(?:that )?you(?:'re| are| were| have)? (?:requested|looking for) )?"
    r"(?:(?:was|is|could|can|has)? ?(?:not|n['’]t)(?: be(?:en)?)? |can['’]?t be |cannot be )found",
    rf"(?:this |the )?{_THING} (?:does not|doesn['’]t|no longer) exists?",
    r"(?:access|permission)(?: is| was)? (?:denied|forbidden)", "forbidden", r"unauthori[sz]ed(?: access)?",
    "bad gateway", r"gateway time-?out", r"(?:service|site|server|page)(?: is)?(?: temporarily)? unavailable",
    r"(?:internal )?server error(?: in '/[^']{0,40}' application)?", "bad request", r"too many requests",
    r"request (?:time-?out|rejected|blocked)", r"(?:your )?session(?: has| is)? (?:expired|timed out)",
    r"(?:запрошенн\w+ |запрашиваем\w+ |данн\w+ |такой |эта )?(?:страниц[аы]|файл|документ|ресурс|адрес|объект)"
    r" (?:больше )?не (?:найден[ао]?|существует|обнаружен[ао]?)",
    r"доступ(?: к (?:странице|сайту|ресурсу|документу))? (?:запрещ[её]н|закрыт|ограничен)", "нет доступа", "отказано в доступе",
    r"(?:внутренняя )?ошибка (?:сервера|шлюза|доступа)",
    r"(?:сервис|сайт|сервер|страница) (?:временно )?недоступ(?:ен|на)", r"(?:ваша )?сессия (?:истекла|завершена)",
    r"(?:на сайте )?(?:ведутся|проводятся) технические работы", "плохой шлюз", "неверный запрос",
    r"(?:сұралған |сұраған |мұндай |бұл )?(?:бет|парақша|құжат|файл|ресурс|мекенжай) (?:табылмады|табылған жоқ|жоқ)",
    r"(?:бетке |сайтқа |құжатқа )?(?:қол ?жеткізу|кіру|кіруге)(?:ге)? (?:шектелген|шектеулі|жабық|тыйым салынған|рұқсат жоқ)",
    "рұқсат (?:жоқ|етілмеген|берілмеген)", r"(?:ішкі )?сервер(?:дің)? (?:ішкі )?қатесі",
    r"(?:қызмет|сайт|сервер|бет)(?: көрсету)? (?:уақытша )?(?:қол ?жетімсіз|қолжетімді емес)",
    r"сессия(?:ның)?(?: мерзімі| уақыты)? (?:аяқталды|бітті)", "(?:сайтта )?техникалық жұмыстар жүргізіл\\w+",
)  # fmt: skip
_PHRASE = f"(?:{'|'.join(_PHRASES)})"
_NAMED_STATUS = rf"(?:(?:http|https|server|web)\W*)?(?:error|status|code|ошибка|код ошибки|қате|қателік)(?:\W*(?:code|код\w*))?\W*{_STATUS}"
_ONLY_ERROR = re.compile(
    rf"{_SORRY}(?:(?:http\W*)?{_STATUS}\W+)?{_PHRASE}(?:\W+{_STATUS})?|{_NAMED_STATUS}(?:\W+{_PHRASE})?"
    rf"|{_STATUS}\W+(?:error|ошибка|қате)"
)
_BARE_STATUS = re.compile(rf"(?:http\W*)?{_STATUS}|error|ошибка|қате")
_SAYS_ERROR = re.compile(rf"\b{_PHRASE}(?!\w)")
_SIGN_IN = re.compile(
    r"(?:please )?(?:sign|log)[ -]?(?:in|on)(?: (?:to|with|required)\b.{0,40})?|authentication required|single sign-on"
    r"|вход(?: в (?:систему|личный кабинет|аккаунт))?|войти|войдите(?: в систему)?|авторизация|требуется (?:вход|авторизация)"
    r"|(?:жүйеге |жеке кабинетке )?кіру|жүйеге кіріңіз|авторландыру|авторизациялау"
)
_EXPLAINS = re.compile(
    r"\b(?:how|why|what|when|which|fix\w*|solv\w*|solution\w*|resolv\w*|troubleshoot\w*|caus\w+|guide|instructions?|manual|faq"
    r"|как|почему|зачем|что|когда|причин\w*|исправ\w*|устран\w*|реш(?:ение|ить|ения)|инструкци\w*|руководств\w*|справочник\w*|памятка"
    r"|порядок|правила|коды|список|қалай|неге|неліктен|қашан|себеп\w*|шешу\w*|түзету\w*|жою|нұсқаулық\w*|анықтамалық\w*|жадынама"
    r"|тәртібі|ережелер\w*|кодтары|тізімі|не істеу)\b"
)
_SERVER_WORDS = re.compile(
    r"\b(?:nginx|apache|iis|openresty|cloudflare|tomcat|litespeed|squid|varnish|haproxy)\b|on this server|requested (?:url|page|address)"
    r"|(?:request|incident|support|reference|error|ray) ?(?:id\b|#)|check the (?:address|url|spelling)|(?:go|return|back) (?:to )?(?:the )?home ?page"
    r"|on the way|try again later|you do(?:n['’]t| not) have permission|contact (?:your|the) administrator|back to (?:the )?main page"
    r"|на главную|главной страниц|вернуться назад|проверьте (?:правильность )?(?:адрес|ввод|написан)|повторите попытку|попробуйте позже"
    r"|обратитесь к администратору|у вас нет (?:прав|доступа)|(?:была |был )?(?:удален|перемещен|переименован)[ао]? или|номер запроса"
    r"|басты бет|мекенжайды тексер|дұрыс енгіз|кейінірек қайтал|әкімшіге хабарлас|рұқсатыңыз жоқ|жойылған немесе|қайталап көр"
)
_SEGMENTS = re.compile(r"\s*(?:[|–—·•»:.!/]+|\s-)(?:\s+|$)")


def looks_html(content: bytes) -> bool:
    return _HTML.match(content[:1024]) is not None


def is_never_html(name: str) -> bool:
    """Whether a file of this name cannot be a page of HTML."""
    return posixpath.splitext(name)[1].removeprefix(".").lower() in _NEVER_HTML


def error_words(heads: Sequence[str], text: str) -> str:
    """The words by which a page says that it is not what was asked for; empty for a page that is a document.

    `heads` are its title and main headings, `text` is everything that a reader sees.
    """
    plain = _plain(text)
    if len(plain) > _LONG:
        return ""
    titles = [_plain(head) for head in heads if head.strip()]
    if any(_EXPLAINS.search(title) for title in titles):
        return ""
    said = _said_by(titles, plain) or _said_by_text(_below(titles, plain))
    if said and (len(plain) <= _SHORT + sum(map(len, titles)) or _SERVER_WORDS.search(plain)):
        return said
    return ""


def asks_to_sign_in(heads: Sequence[str], text: str) -> bool:
    """A short page whose heading bids one sign in. Whether it has a field for a password is for the caller to know."""
    segments = _segments(_plain(head) for head in heads)
    return len(text) <= _LONG and any(_SIGN_IN.fullmatch(segment) for segment in segments)


def _said_by(titles: Sequence[str], text: str) -> str:
    for segment in (*titles, *_segments(titles)):
        if _ONLY_ERROR.fullmatch(segment.strip(" .!")):
            return segment
        if _BARE_STATUS.fullmatch(segment) and (found := _SAYS_ERROR.search(text)):
            return f"{segment}: {found.group()}"
    return ""


def _said_by_text(text: str) -> str:
    """The title may be the site's own name, or there may be none."""
    if len(text) > 2 * _SHORT or _EXPLAINS.search(text):
        return ""
    first = list(_segments([text]))[:4]
    return next((segment for segment in first if _ONLY_ERROR.fullmatch(segment)), "")


def _below(titles: Sequence[str], text: str) -> str:
    for title in titles:
        text = text.removeprefix(title).lstrip(" .|-")
    return text


def _segments(heads: Iterable[str]) -> Iterator[str]:
    for head in heads:
        yield from (part for part in (part.strip(" .!") for part in _SEGMENTS.split(head)) if part)


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()
