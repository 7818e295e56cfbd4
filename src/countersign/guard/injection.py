"""Rules that notice wording which tries to redirect an assistant, in English, Russian and Kazakh.

A *signal with a score*, never a verdict: what such wording asks for cannot be told from a legitimate request by text
alone, and security rests on what code outside the model enforces. The score is 1 - product(1 - weight) of the rules
that matched. Weights are chosen so that one strong rule or two weak ones pass `SIGNAL_AT`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from countersign.guard.normalise import readings
from countersign.guard.required import Groups, may_match, required

SIGNAL_AT: Final = 0.5
_ENCODED_BONUS: Final = 0.3
"""Added when the wording was hidden: an honest text does not hide its instructions."""

_LATIN_WORD: Final = re.compile("[A-Za-z]{3}")
_CYRILLIC_WORD: Final = re.compile("[\u0400-\u04ff]{2}")
_KAZAKH_LETTER: Final = re.compile("[әіңғүұқөһӘІҢҒҮҰҚӨҺ]")

Aim = Literal["override", "extract", "role", "exfiltrate", "address", "suppress", "conceal"]


@dataclass(frozen=True, slots=True)
class Rule:
    code: str
    aim: Aim
    language: str
    weight: float
    pattern: str


@dataclass(frozen=True, slots=True)
class Signal:
    """`rules` are the codes that matched; `aims` what they are about; `span` where the first one stood in the reading."""

    score: float
    rules: tuple[str, ...] = ()
    aims: frozenset[Aim] = frozenset()
    hidden: bool = False
    evidence: str = ""

    @property
    def raised(self) -> bool:
        return self.score >= SIGNAL_AT


NO_SIGNAL: Final = Signal(0.0)

_EN_RULEWORDS = r"(?:instruct\w*|rules?|prompts?|guidelines?|directives?|restrictions?|guardrails?|safety \w+|safeguards?|policies|constraints?|programming|training|system messages?|context)"
_EN_PRIOR = r"(?:(?:all|any|every|each|of|the|your|my|these|those|its?|previous\w*|prior|above|earlier|preceding|original|initial|existing|current|foregoing|system|developer|safety|given|built.in|hidden|aforementioned)[\s,/]+(?:and |or )?){1,6}"
_RU_RULEWORDS = r"(?:инструкц\w+|указани\w+|правил\w*|промпт\w*|запрос\w*|ограничени\w+|настро\w+|директив\w+|подсказк\w+|команд\w*|установк\w+|контекст\w*)"
_RU_PRIOR = r"(?:(?:все\w*|люб\w+|сво\w+|тво\w+|ваш\w*|эт\w+|предыдущ\w+|прежн\w+|прошл\w+|ранее|данн\w+|заданн\w+|выше\w*|исходн\w+|начальн\w+|стартов\w+|системн\w+|имеющ\w+|указанн\w+)\s+){1,5}"
_KK_RULEWORDS = r"(?:нұсқау\w*|ереже\w*|промпт\w*|сұра\w*|шекте\w*|баптау\w*|бұйры\w*|тапсырма\w*|талап\w*)"
_KK_PRIOR = r"(?:(?:барлық|бүкіл|алдыңғы|бұрынғы|жоғарыда\w*|бастапқы|жүйе\w*|осыған дейінгі|өз\w*|модератор|алғашқы|берілген|сенің|сіздің|осы|бұл|қолданыстағы)\s+){1,5}"

_EN_SECRETS = r"(?:passwords?|passcodes?|pins?|pin-codes?|codes?|cvv|cvc|credentials)\b"
_RU_SECRETS = r"(?:парол\w+|пин\b|пин-?код\w*|код\w*|cvv|cvc|реквизит\w+)"
_KK_SECRETS = r"(?:құпия\w*|парол\w*|пин\w*|код\w*|cvv|cvc)"
"""What any honest rule of a bank says is told to nobody: that is no order to a machine."""
_EN_UNTOLD = r"(?<!\bnot )(?<!n't )(?<!n’t )(?<!never )(?<! or )"
_RU_UNTOLD = r"(?<!\bне )(?<!нельзя )(?<!запрещено )(?<!запрещается )(?<! или )"
_KK_UNTOLD = r"(?!\s+(?:болмайды|тыйым|қажет емес))"
"""Before or after a verb: to forbid it is not to ask for it."""

RULES: Final[tuple[Rule, ...]] = (
    # English
    Rule("en_override", "override", "en", 0.8, r"\b(?:ignore|disregard|forget|neglect|bypass|override|overlook|dismiss|discard|skip|drop|erase|delete|abandon|violate|suspend|disable|remove|circumvent|void|cancel)\w*\s+" + _EN_PRIOR + _EN_RULEWORDS),
    Rule("en_forget_everything", "override", "en", 0.7, r"\b(?:forget|ignore|disregard|erase)\s+(?:everything|anything|all(?: of)? (?:that|this|it))\s*(?:that\s+)?(?:\w+\s+){0,3}(?:above|before|said|told|earlier|previous\w*|learn\w*|instructed|know|written)"),
    Rule("en_new_instructions", "override", "en", 0.6, r"\b(?:(?:here are|these are|this is|follow|obey|execute)\s+(?:your|my|the|these|only)\s+(?:\w+\s+)?new|your new|new system)\s+(?:instructions?|rules?|prompt|task|role|objective|directives?)\b|^[ \t]*new (?:instructions?|task|rules?)\s*:"),
    Rule("en_do_not_follow", "override", "en", 0.7, r"\b(?:do not|don'?t|stop|no longer|never|without)\s+(?:follow|obey|comply with|adher\w+ to|following|obeying|apply|applying)\w*\s+" + _EN_PRIOR + _EN_RULEWORDS),
    Rule("en_reveal_prompt", "extract", "en", 0.75, r"\b(?:reveal|show|print|repeat|output|display|expose|tell|give|share|dump|leak|disclose|recite|list|return|write out|spell out|summari[sz]e|translate|describe|provide|share)\b[^.?!\n]{0,40}?\b(?:your|the|system|hidden|initial|original|secret|internal)\s+(?:\w+\s+){0,2}?(?:system prompts?|prompts?|system messages?|(?:system|initial|original|hidden|secret|internal|developer)\s+(?:instructions?|rules|guidelines|configuration)|instructions? you (?:were|have been)|pre-?prompt|system instructions?)\b"),
    Rule("en_your_instructions", "extract", "en", 0.55, r"\b(?:what|which|reveal|show|print|repeat|output|expose|dump|leak|disclose|recite|paraphrase)\b[^.?!\n]{0,30}\byour\s+(?:\w+\s+)?(?:initial|original|system|hidden|secret|exact|full|internal|core|underlying|pre-?set|verbatim)\s+(?:\w+\s+)?(?:prompts?|instructions?|rules|guidelines|directives|messages?|programming|configuration)\b"),
    Rule("en_text_above", "extract", "en", 0.6, r"\b(?:repeat|print|output|copy|echo|recite|display|return)\b[^.?!\n]{0,30}\b(?:everything|all (?:the )?(?:text|words|content)|the (?:words|text|content|conversation|sentences?|lines?)|word for word|verbatim)\b[^.?!\n]{0,20}\b(?:above|before this|preceding|starting with|so far)\b"),
    Rule("en_unrestricted", "role", "en", 0.65, r"\b(?:act|pretend|behave|respond|answer|operate|function|simulate|roleplay|role-play|you are(?: now)?|become|imagine|play)\b[^.?!\n]{0,60}\b(?:un(?:restricted|filtered|censored|limited|bound|moderated)|without (?:any )?(?:restrictions?|limits?|limitations?|filters?|rules|ethic\w*|moral\w*|censorship|guidelines)|no (?:restrictions?|limitations?|rules|filters?|ethical|moral|guidelines)|jailbroken|evil|(?:dan|stan|dude|aim) mode|developer mode|do anything now|god mode|debug mode|admin mode|root access)\b"),
    Rule("en_mode", "role", "en", 0.65, r"\b(?:do anything now|DAN mode|developer mode (?:enabled|on|activated)|jailbreak(?:ed)? mode|unrestricted mode|god mode|sudo mode|(?:enter|enable|activate|switch (?:to|into)|you are (?:now )?in)\s+(?:developer|debug|admin|maintenance|unrestricted|unfiltered|god|root|sudo|override)\s+mode)\b"),
    Rule("en_from_now_on", "role", "en", 0.3, r"\bfrom (?:now on|this (?:point|moment)(?: on| forward)?)\b[^.?!\n]{0,30}\b(?:you|your|act|respond|answer|always|only)\b"),
    Rule("en_you_are_now", "role", "en", 0.35, r"\byou are (?:now|no longer)\b|\byou'?re now\b"),
    Rule("en_say_pwned", "override", "en", 0.6, r"\b(?:i have been pwned|pwned|haha pwned)\b"),
    Rule("en_bypass", "override", "en", 0.55, r"\b(?:bypass|circumvent|evade|disable|deactivate|turn off|switch off|override|get around|unlock)\w*\s+(?:(?:all|any|every|the|your|its?|my)\s+){0,2}(?:\w+\s+)?(?:safety|security|content|ethical|moral|moderation)?\s*(?:filters?|guardrails?|restrictions?|safeguards?|moderation|censorship|safety (?:features?|measures?|protocols?|guidelines|mechanisms?))\b"),
    Rule("en_respond_only", "override", "en", 0.35, r"\b(?:respond|reply|answer|say|write|output|print)\s+(?:only|just|exactly|nothing (?:but|else))\b|\bonly (?:respond|reply|answer|say|output|print)\b"),
    Rule("en_assistant_addressed", "address", "en", 0.5, r"\b(?:(?:note|message|attention|instructions?|important|notice|warning|memo)\s*(?:to|for)?\s*:?\s*(?:the |any |all )?(?:ai|a\.i\.|llms?|language models?|chat ?bots?|virtual assistants?|ai (?:assistants?|agents?|systems?|models?)|assistants? (?:reading|processing)|automated (?:systems?|assistants?|readers?)))\b|\b(?:if|when) you(?:'re| are)? (?:an? )?(?:ai|llm|language model|chat ?bot|automated (?:assistant|system))\b|\b(?:dear|hey|hello|attention,?) (?:ai|llm|assistant|chatbot|language model|chatgpt)\b"),
    Rule("en_must_in_answer", "address", "en", 0.5, r"\b(?:assistant|ai|model|chatbot|bot|you)\s+(?:must|should|shall|has to|have to|will|is (?:required|instructed) to)\s+(?:now |always |first |also |instead )?(?:include|append|insert|add|begin|start|end|finish|render|embed|output|print|reply|respond|answer)\b[^.?!\n]{0,80}\b(?:answer|reply|response|output|link|image|url|following|token|text|word|phrase|markdown|message)\b"),
    Rule("en_exfiltrate", "exfiltrate", "en", 0.65, _EN_UNTOLD + r"\b(?:send|post|forward|upload|transmit|exfiltrate|leak|submit|append|encode|embed|put|place|insert|include|attach)\b[^.?!\n]{0,90}\b(?:conversation|chat history|context|user(?:'s)? (?:data|question|message|details|name)|system prompt|passages?|answer|secrets?|password|credentials|api keys?|contents?|retrieved|documents?)\b[^.?!\n]{0,60}(?:https?://|\bto (?:the )?(?:following )?(?:url|address|link|server|endpoint|e-?mail)|\bin(?:to)? (?:the|an?|this) (?:url|link|image|query|path|parameter))"),
    Rule("en_image_beacon", "exfiltrate", "en", 0.6, r"\b(?:render|display|show|include|insert|embed|add|output|append|load)\b[^.?!\n]{0,50}(?:\bimage\b|\bpixel\b|!\[)[^\n]{0,80}(?:https?://|\burl\b|\?\w+=|\{\w+\})"),
    Rule("en_restricted", "exfiltrate", "en", 0.45, r"\b(?:list|show|reveal|print|give|dump|quote|copy|output|include)\b[^.?!\n]{0,40}\b(?:all|every|any|other|restricted|confidential|secret|hidden|classified|forbidden|board.only)\b[^.?!\n]{0,40}\b(?:documents?|files|records|passages|tenants?|customers?'? (?:data|records)|passwords?|api keys?|credentials|secrets)\b[^.?!\n]{0,60}\b(?:regardless|even (?:if|though)|without (?:checking|permission|authori[sz]ation)|that (?:i|the user) (?:may|can)(?:not|'t)|you (?:can|have))\b"),
    Rule("en_conceal", "conceal", "en", 0.5, r"\b(?:do not|don'?t|never|without)\s+(?:mention|tell|inform|reveal|disclos\w*|notify\w*|telling|mentioning|informing|alert)\b(?:[^.?!\n]{0,40}\b(?:this (?:instruction|note|message|text|line)|these instructions|that you)\b|(?:(?!\b" + _EN_SECRETS + r")[^.?!\n]){0,40}\bthe (?:user|reader)\b(?!(?:\s+[\w'’]+){0,4}\s+" + _EN_SECRETS + r"))"),
    Rule("en_suppress", "suppress", "en", 0.5, r"\b(?:do not|don'?t|never|refuse to|stop)\s+(?:cite|use|quote|mention|answer\w*|rely on|consult|show)\b[^.?!\n]{0,40}\b(?:other|any other|remaining|the rest of the|official|all)\s+(?:\w+\s+)?(?:sources?|documents?|passages?|questions?|citations?)\b"),
    Rule("en_authority", "override", "en", 0.45, r"(?:^|[\[(*#>-]\s*)(?:system|admin(?:istrator)?|developer|root|security)\s*(?:override|message|notice|alert|instruction|command|update|note)\b\s*[:\])-]|\b(?:i am|i'?m|this is) (?:the |your )?(?:system |lead |chief )?(?:administrator|developer|creator|openai|anthropic)\b[^.?!\n]{0,60}\b(?:authori[sz]e|override|disable|grant|require|command|unlock|instruct)\w*"),
    Rule("en_end_of_context", "override", "en", 0.6, r"(?:---|===|\*\*\*|###|\[|<)[ \t]{0,3}(?:end|stop|close)\s+(?:of\s+)?(?:the\s+)?(?:context|document|passages?|user (?:input|query)|input|data|system prompt|instructions?)\b"),
    Rule("en_decode_follow", "conceal", "en", 0.6, r"\b(?:decode|decrypt|translate from|unscramble|base64|rot13)\b[^.?!\n]{0,60}\b(?:and|then)\s+(?:follow|execute|obey|perform|do|run|comply|act)\b"),
    # Russian
    Rule("ru_override", "override", "ru", 0.8, r"\b(?:(?:про)?игнориру\w+|забуд\w+|забыв\w+|отмени\w*|отбрось\w*|обойди\w*|обойти|пропусти\w*|обнули\w*|сбрось\w*|удали\w*|отключи\w*|наруш\w+|не (?:учитыва\w+|следуй\w*|соблюда\w+|выполня\w+|слуша\w+|обраща\w+ внимани\w+ на))\s+(?:(?:про|на|об?)\s+)?" + _RU_PRIOR + _RU_RULEWORDS),
    Rule("ru_override_settings", "override", "ru", 0.65, r"\b(?:(?:про)?игнориру\w+|забудь\w*|отмени\w*|отбрось\w*|пропусти\w*|обнули\w*|сбрось\w*|отключи\w*|сними\w*|не учитыва\w+)\s+(?:\w+\s+){0,2}(?:настройки модератора|ограничения|фильтры|модераци\w+|цензур\w+|стартовый запрос|системный промпт|системн\w+ (?:запрос|инструкц\w+|правил\w*))"),
    Rule("ru_forget_everything", "override", "ru", 0.7, r"\b(?:забудь\w*|игнорируй\w*|проигнорируй\w*)\s+(?:обо\s+)?(?:вс[её]м?),?\s*(?:что|о ч[её]м|выше|ранее|сказанн\w+|написанн\w+|предыдущ\w+)"),
    Rule("ru_new_instructions", "override", "ru", 0.6, r"\b(?:тво[яиё]|ваш[аи]?|вот|следуй\w*|выполн\w+)\s+(?:\w+\s+)?нов(?:ая|ые|ой|ым|ую|ое)\s+(?:инструкц\w+|правил\w*|задач\w*|задани\w+|роль|указани\w+)|^[ \t]*нов(?:ая|ые|ое)\s+(?:инструкци[яи]|задание|указание|правила)\s*:"),
    Rule("ru_reveal_prompt", "extract", "ru", 0.75, r"\b(?:покаж\w+|выведи\w*|напечата\w+|повтори\w*|раскро\w+|назови\w*|сообщи\w*|перечисли\w*|процитиру\w+|напиши\w*|выдай\w*|перескаж\w+|опиши\w*|скопиру\w+)\b[^.?!\n]{0,50}(?:системн\w+ (?:промпт\w*|запрос\w*|сообщени\w+|инструкц\w+|подсказк\w+|настро\w+)|(?:сво\w+|тво\w+|ваш\w*|начальн\w+|исходн\w+|скрыт\w+|стартов\w+|внутренн\w+)\s+(?:\w+\s+)?(?:промпт\w*|подсказк\w+|инструкц\w+|директив\w+|текст\w* настройки)|секретн\w+ ключ\w*)"),
    Rule("ru_text_above", "extract", "ru", 0.55, r"\b(?:повтори\w*|выведи\w*|скопиру\w+|напечата\w+)\b[^.?!\n]{0,30}(?:вс[её]|дословно|слово в слово|весь текст)[^.?!\n]{0,20}(?:выше|до этого|перед этим|начиная с)"),
    Rule("ru_unrestricted", "role", "ru", 0.65, r"\b(?:отвеча\w+|веди себя|действу\w+|притвори\w*|представь\w*|ты теперь|теперь ты|работа\w+|сыграй|ты)\b[^.?!\n]{0,50}(?:без (?:\w+\s+)?(?:ограничени\w+|цензур\w+|фильтр\w+|правил|модераци\w+|запретов)|неограниченн\w+|нефильтрованн\w+|режим\w* (?:разработчика|отладки|администратора|бога|DAN)|злой бот)"),
    Rule("ru_mode", "role", "ru", 0.6, r"\b(?:включи\w*|активиру\w+|перейд\w+|войд\w+|переключ\w+)\b[^.?!\n]{0,20}режим\w*\s+(?:разработчика|отладки|администратора|бога|без ограничени\w+|суперпользовател\w+)"),
    Rule("ru_you_are_now", "role", "ru", 0.35, r"\b(?:ты теперь|теперь ты|отныне ты|с этого момента (?:ты|вы|твоя|отвечай\w*)|вы теперь|отныне вы)\b"),
    Rule("ru_respond_only", "override", "ru", 0.35, r"\b(?:ответь\w*|отвечай\w*|напиши\w*|скажи\w*|выведи\w*)\s+(?:только|исключительно|лишь|ровно)\b|\bнапиши слово взлом\b"),
    Rule("ru_assistant_addressed", "address", "ru", 0.5, r"\b(?:(?:внимани\w+|важно|примечание|сообщение|инструкция|указание|заметка|памятка)[,:]?\s*(?:для\s+)?(?:\w+\s+)?(?:ии|ассистент\w*|языков\w+ модел\w+|нейросет\w+|чат-?бот\w*|бот\w*|искусственн\w+ интеллект\w*|виртуальн\w+ помощник\w*|модел\w+ ии|llm|ai))\b|\bесли (?:ты|вы)\s*[-–—]?\s*(?:это )?(?:ии|языковая модель|чат-?бот|нейросеть|ассистент|бот|автоматическ\w+ (?:система|помощник))\b|\b(?:уважаем\w+|дорог\w+) (?:ассистент|бот|ии|нейросеть|чат-?бот)"),
    Rule("ru_must_in_answer", "address", "ru", 0.5, r"\b(?:ассистент\w*|ии|модель|бот|чат-?бот|нейросеть|ты|вы)\s+(?:долж\w+|обязан\w*)\s+(?:сначала |всегда |также |теперь )?(?:включ\w+|добав\w+|встав\w+|нача\w+|законч\w+|показа\w+|вывести|вывод\w+|ответ\w+|написа\w+|отобраз\w+)\b[^.?!\n]{0,80}(?:ответ\w*|ссылк\w+|изображени\w+|картинк\w+|текст\w*|фраз\w+|слов\w+|адрес\w*)"),
    Rule("ru_exfiltrate", "exfiltrate", "ru", 0.65, _RU_UNTOLD + r"\b(?:отправ\w+|перешли\w*|пересла\w+|передай\w*|выгрузи\w*|загрузи\w*|встав\w+|добав\w+|закодиру\w+|помести\w*|подставь\w*|включи\w*|приложи\w*|допиши\w*)\b[^.?!\n]{0,90}(?:переписк\w+|контекст\w*|истори\w+|данны\w+|вопрос\w*|содержим\w+|ключ\w*|парол\w*|ответ\w*|документ\w*|промпт\w*|фрагмент\w*)[^.?!\n]{0,60}(?:https?://|\b(?:на|по) (?:внешн\w+ |следующ\w+ |этот |указанн\w+ )?(?:адрес\w*|сервер\w*|ссылк\w+|почт\w+|url)|\bв (?:url|ссылк\w+|адрес\w*|параметр\w*|картинк\w+|изображени\w+|запрос\w*))"),
    Rule("ru_image_beacon", "exfiltrate", "ru", 0.6, r"\b(?:покаж\w+|встав\w+|добав\w+|отобраз\w+|выведи\w*|загрузи\w*|размест\w+)\b[^.?!\n]{0,50}(?:изображени\w+|картинк\w+|пиксел\w+|!\[)[^\n]{0,80}(?:https?://|\burl\b|\?\w+=|\{\w+\})"),
    Rule("ru_leak", "exfiltrate", "ru", 0.55, r"\b(?:покаж\w+|выведи\w*|перечисли\w*|назови\w*|выдай\w*|раскро\w+|процитиру\w+)\b[^.?!\n]{0,40}(?:вс[ея]|люб\w+|секретн\w+|закрыт\w+|чуж\w+|скрыт\w+|недоступн\w+)[^.?!\n]{0,40}(?:документ\w*|ключ\w*|парол\w*|данн\w+|файл\w*|запис\w+)[^.?!\n]{0,60}(?:независимо|даже если|без (?:проверки|разрешени\w+|учёта|учета)|не (?:имею|имеет) (?:доступ\w*|прав\w*)|несмотря на)"),
    Rule("ru_conceal", "conceal", "ru", 0.5, r"\bне\s+(?:упомина\w+|сообща\w+|говори\w*|раскрыва\w+|показыва\w+|предупрежда\w+)\b(?:[^.?!\n]{0,40}(?:об эт\w+|эт\w+ (?:инструкц\w+|указани\w+|сообщени\w+|текст\w*))|(?:(?!\b" + _RU_SECRETS + r")[^.?!\n]){0,40}(?:пользовател\w++|читател\w++)(?!(?:\s+\w+){0,4}\s+" + _RU_SECRETS + r"))"),
    Rule("ru_suppress", "suppress", "ru", 0.5, r"\bне\s+(?:цитиру\w+|использу\w+|упомина\w+|ссыла\w+|отвеча\w+)\b[^.?!\n]{0,40}(?:друг\w+|остальн\w+|ин\w+|официальн\w+)\s+(?:источник\w*|документ\w*|фрагмент\w*|вопрос\w*)"),
    Rule("ru_authority", "override", "ru", 0.45, r"(?:^|[\[(*#>-]\s*)(?:система|системное|администратор|разработчик|служба безопасности)\s*(?:сообщение|уведомление|команда|указание|инструкция)?\s*[:\]]\s*(?:\w+\s+){0,4}(?:игнор|отмен|отключ|выполн|раскр|покаж|вывед|отправ)\w*"),
    # Kazakh
    Rule("kk_override", "override", "kk", 0.8, _KK_PRIOR + _KK_RULEWORDS + r"\s*,?\s*(?:\w+\s+){0,2}?(?:елеме\w*|ескерме\w*|ұмыт\w*|елемей\w*|жоққа шығар\w*|орындама\w*|қабылдама\w*|тоқтат\w*|жой\w*|өшір\w*|айналып өт\w*|сақтама\w*|бұз\w*|тыңдама\w*|өткізіп жібер\w*|алып таста\w*)"),
    Rule("kk_override_colon", "override", "kk", 0.7, r"\b(?:елеме|ескерме|ұмыт|қабылдама|орындама|жой|өшір|тоқтат|өткізіп жібер|сақтама)\w*\s*[:,-]\s*" + _KK_PRIOR + _KK_RULEWORDS),
    Rule("kk_override_after", "override", "kk", 0.55, r"\b(?:нұсқаулар\w*|ережелер\w*|шектеулер\w*|баптаулар\w*|бұйрықтар\w*)\s+(?:\w+\s+){0,2}?(?:елеме\w*|ескерме\w*|ұмыт(?:ып|ыңыз|)?\b|жоққа шығар\w*|орындама\w*|қабылдама\w*|тыңдама\w*)"),
    Rule("kk_forget_everything", "override", "kk", 0.65, r"\b(?:бәрін|барлығын|осыған дейін\w*|жоғарыда\w*)\s+(?:\w+\s+){0,3}?(?:ұмыт\w*|елеме\w*|ескерме\w*)"),
    Rule("kk_new_instructions", "override", "kk", 0.6, r"\b(?:сенің|сіздің|міне|мына)\s+жаңа\s+(?:нұсқау\w*|ереже\w*|тапсырма\w*|рөл\w*|міндет\w*)|^[ \t]*жаңа\s+(?:нұсқау\w*|тапсырма|ереже\w*)\s*:"),
    Rule("kk_reveal_prompt", "extract", "kk", 0.75, r"(?:жүйелік|жүйе|бастапқы|жасырын|құпия|ішкі|алғашқы|өз\w*)\s+(?:\w+\s+)?(?:промпт\w*|нұсқау\w*|хабарлама\w*|сұрау\w*|ереже\w*|баптау\w*|кілт\w*|мәтін\w*)\s+(?:\w+\s+){0,3}?(?:көрсет\w*|шығар\w*|айт\w*|қайтала\w*|жаз\w*|ашып\w*|аш\b|жарияла\w*|бер\b|беріңіз|санап шық\w*|көшір\w*|аудар\w*|басып\w*)"),
    Rule("kk_unrestricted", "role", "kk", 0.65, r"(?:цензурасыз|шектеусіз|ережесіз|сүзгісіз|ешқандай шектеу\w*)\s+(?:\w+\s+){0,3}?(?:жауап\w*|әрекет\w*|жұмыс\w*|сөйле\w*)|\b(?:әзірлеуші|әкімші|администратор|жөндеу|отладка)\s+режим\w*\s+(?:\w+\s+){0,2}?(?:қос\w*|өт\w*|іске)"),
    Rule("kk_you_are_now", "role", "kk", 0.35, r"\b(?:сен енді|енді сен|сіз енді|бұдан былай (?:сен|сіз|жауап\w*)|осы сәттен бастап)\b"),
    Rule("kk_full_access", "override", "kk", 0.55, r"(?:базаға|барлық (?:құжат\w*|дерек\w*|файл\w*))\s+(?:\w+\s+){0,2}?(?:толық )?(?:рұқсат|қолжетімділік)\s+бер\w*"),
    Rule("kk_respond_only", "override", "kk", 0.35, r"\bтек\s+(?:қана\s+)?(?:\S+\s+){1,4}(?:деп (?:жауап бер\w*|жаз\w*|айт\w*))"),
    Rule("kk_assistant_addressed", "address", "kk", 0.5, r"\b(?:назар\w*|маңызды|ескерту|хабарлама|нұсқау|ескертпе)[,:]?\s*(?:\w+\s+)?(?:жи|көмекші\w*|тілдік модель\w*|нейрожелі\w*|чат-?бот\w*|бот\w*|жасанды интеллект\w*|ассистент\w*|виртуалды көмекші\w*)\b|\bегер (?:сен|сіз)\s+(?:\w+\s+)?(?:жи|тілдік модель|чат-?бот|бот|көмекші|нейрожелі|ассистент|жасанды интеллект)\w*|\b(?:құрметті|қымбатты) (?:көмекші|бот|ассистент|жи|чат-?бот)|(?:жи|ai|чат-?бот|виртуалды|цифрлық)[- ]?көмекші\w*\s+(?:үшін|назарына)"),
    Rule("kk_must_in_answer", "address", "kk", 0.5, r"(?:көмекші\w*|ассистент\w*|модель|бот|чат-?бот|жауап\w*)\s+(?:\S+\s+){0,8}?(?:сілтеме\w*|сурет\w*|мәтін\w*|сөз\w*|мекенжай\w*)\s+(?:\w+\s+){0,3}?(?:қос\w*|енгіз\w*|көрсет\w*|жаз\w*|кірістір\w*)(?:\s+(?:керек|тиіс|міндетті|қажет))"),
    Rule("kk_exfiltrate", "exfiltrate", "kk", 0.65, r"(?:дерек\w*|мәтін\w*|әңгіме\w*|контекст\w*|құжат\w*|кілт\w*|сұра\w*|жауап\w*|құпия ?сөз\w*|тарих\w*)\s+(?:\S+\s+){0,6}?(?:https?://\S+|сыртқы|мекенжай\w*|сервер\w*|сілтеме\w*|url\S*)\s*(?:\S+\s+){0,4}?(?:(?:жібер(?!ме)|жолда(?!ма)|сал(?!ма)|қос(?!па)|жүкте(?!ме)|енгіз(?!бе)|тірке(?!ме))\w*+)" + _KK_UNTOLD + r"|(?:https?://\S+|сыртқы мекенжай\w*|сыртқы сервер\w*)\s+(?:\S+\s+){0,6}?(?:(?:жібер(?!ме)|жолда(?!ма)|жүкте(?!ме))\w*+)" + _KK_UNTOLD),
    Rule("kk_image_beacon", "exfiltrate", "kk", 0.6, r"(?:сурет\w*|кескін\w*|пиксель\w*|!\[)[^\n]{0,90}(?:https?://|url|\?\w+=|\{\w+\})[^\n]{0,60}(?:көрсет\w*|қос\w*|енгіз\w*|шығар\w*|кірістір\w*)|(?:https?://\S+|url\w*)\s+(?:\S+\s+){0,4}?(?:сурет\w*|кескін\w*)\s+(?:\S+\s+){0,2}?(?:көрсет\w*|қос\w*|енгіз\w*|кірістір\w*)"),
    Rule("kk_leak", "exfiltrate", "kk", 0.55, r"(?:құпия|жабық|жасырын|қолжетімсіз|барлық)\s+(?:\w+\s+)?(?:құжат\w*|дерек\w*|кілт\w*|файл\w*|құпия ?сөз\w*)\s+(?:\S+\s+){0,4}?(?:рұқсатсыз|тексерусіз|рұқсат\w* қарама\w*|құқық\w* қарама\w*|сырт\w*)|құпия кілттер\w*\s+(?:\w+\s+){0,2}?(?:санап|көрсет|шығар|айт)\w*"),
    Rule("kk_conceal", "conceal", "kk", 0.5, r"(?:бұл туралы|осы туралы|(?:бұл|осы) (?:нұсқау|жазба|хабарлама|мәтін)\w*|(?<!сөзін )(?<!сөзді )(?<!паролін )(?<!парольді )(?<!кодын )(?<!кодты )(?:пайдаланушы|оқырман)\w*)\s+(?:(?!" + _KK_SECRETS + r")\w+\s+){0,4}?(?:айтпа\w*|хабарлама(?:ңыз|й|ңдар)?\b|ескертпе(?:ңіз)?\b|көрсетпе\w*|білдірме\w*|жазба(?:ңыз)?\b)"),
    Rule("kk_suppress", "suppress", "kk", 0.5, r"(?:басқа|өзге|қалған|ресми)\s+(?:\w+\s+)?(?:құжат\w*|дереккөз\w*|үзінді\w*|сұрақ\w*|сілтеме\w*)\s+(?:\w+\s+){0,3}?(?:келтірме\w*|пайдаланба\w*|қолданба\w*|көрсетпе\w*|жауап берме\w*|сілтеме жасама\w*)"),
    # Any language: hidden mark-up that only a machine would follow
    Rule("any_placeholder_url", "exfiltrate", "any", 0.6, r"https?://[^\s\"'<>]{3,120}[?&/=](?:\w+=)?(?:\{[^}\s]{2,60}\}|<[A-Z_ ]{3,40}>|\[(?:[A-Z_ ]{3,40})\]|\$\{)"),
)  # fmt: skip


_CAPITAL: Final = re.compile(r"(?<!\\)[A-Z\u0410-\u042f]")
_LIKE_ANOTHER: Final = str.maketrans(
    "\u0131\u017f\u1c80\u1c81\u1c82\u1c83\u1c84\u1c85\u1c86",
    "is\u0432\u0434\u043e\u0441\u0442\u0442\u044a",
)
"""Letters that are another letter when case is ignored, and that lower-casing leaves as they are."""
_LIKE_ANY_OTHER: Final = re.compile(f"[{''.join(map(chr, _LIKE_ANOTHER))}]")


@cache
def _compiled() -> tuple[tuple[Rule, re.Pattern[str], Groups], ...]:
    """For text from `lowered`: the engine is twice as fast when it need not ignore case."""
    return tuple(
        (
            rule,
            re.compile(rule.pattern, re.MULTILINE | (re.IGNORECASE if _CAPITAL.search(rule.pattern) else 0)),
            tuple(tuple(map(lowered, group)) for group in required(rule.pattern)),
        )
        for rule in RULES
    )


def lowered(text: str) -> str:
    """Of the same length: what a pattern in small letters finds here, it finds in `text` when case is ignored."""
    small = text.replace("\u0130", "i").lower()
    return small.translate(_LIKE_ANOTHER) if _LIKE_ANY_OTHER.search(small) else small


def injection_signal(raw: str, *, extra_hidden: str = "") -> Signal:
    """The signal of `raw` over all its readings. `extra_hidden` is text that cleaning already found and removed."""
    texts = readings(raw)
    hidden_texts = [*texts[1:], *([extra_hidden] if extra_hidden else [])]
    open_rules, evidence = _matches(texts[0])
    hidden_rules: list[Rule] = []
    for text in hidden_texts:
        rules, shown = _matches(text)
        hidden_rules.extend(rules)
        evidence = evidence or shown
    matched = {rule.code: rule for rule in (*open_rules, *hidden_rules)}
    miss = 1.0
    for rule in matched.values():
        miss *= 1 - rule.weight
    newly_hidden = any(rule not in open_rules for rule in hidden_rules)
    if newly_hidden:
        miss *= 1 - _ENCODED_BONUS
    return Signal(
        round(1 - miss, 4), tuple(matched), frozenset(r.aim for r in matched.values()), newly_hidden, evidence
    )


def _matches(text: str) -> tuple[list[Rule], str]:
    languages = _languages(text)
    small = lowered(text)
    found: list[Rule] = []
    evidence = ""
    for rule, pattern, groups in _compiled():
        if rule.language not in languages or not may_match(small, groups):
            continue
        if match := pattern.search(small):
            found.append(rule)
            evidence = evidence or text[match.start() : match.end()]
    return found, evidence


def _languages(text: str) -> frozenset[str]:
    """Whose rules can match at all: by letters, so that one text may get several, and most texts get one or two."""
    languages = {"any"}
    if _LATIN_WORD.search(text):
        languages.add("en")
    if not text.isascii():
        if _CYRILLIC_WORD.search(text):
            languages.add("ru")
        if _KAZAKH_LETTER.search(text):
            languages.add("kk")
    return frozenset(languages)
