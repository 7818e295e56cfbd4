"""Sentences that state nothing: greetings, thanks and closings of a letter. Anything more is a claim and is checked."""

from __future__ import annotations

import re

from countersign.corpus.terms import fold

_GREETING = (
    r"(?:hello|good (?:morning|afternoon|evening|day)|dear (?:customer|client|colleague|sir or madam)|"
    r"здравствуйте|добрый (?:день|вечер)|доброе утро|уважаем(?:ый|ая|ые) (?:клиент|коллега|коллеги|абонент)|"
    r"сәлеметсіз бе|қайырлы (?:күн|таң|кеш)|құрметті (?:клиент|әріптес|әріптестер|абонент))"
)
_THANKS = (
    r"(?:thank you(?: very much)?(?: for (?:your (?:question|request|message|inquiry|letter)|contacting us|writing to us))?|"
    r"(?:большое )?спасибо(?: за (?:ваше |ваш )?(?:обращение|вопрос|письмо|сообщение))?|"
    r"благодарим(?: вас)?(?: за (?:ваше |ваш )?(?:обращение|вопрос|письмо|сообщение))?|"
    r"(?:өтінішіңізге|сұрағыңызға|хабарласқаныңызға|хатыңызға) (?:үлкен )?рах?мет)"
)
_CLOSING = (
    r"(?:(?:best|kind|warm) regards|(?:yours )?sincerely(?: yours)?|respectfully|с уважением|с наилучшими пожеланиями|"
    r"құрметпен|ізгі тілекпен|"
    r"if you have (?:any )?(?:further |more |other )?questions, (?:please )?(?:contact us|let us know|write to us)|"
    r"(?:если )?у вас (?:возникнут|появятся|есть|остались) (?:дополнительные )?вопросы, (?:пожалуйста, )?(?:обращайтесь|напишите нам|свяжитесь с нами)|"
    r"если у вас (?:возникнут|появятся|есть|останутся|остались) (?:ещё |еще |дополнительные )?вопросы, (?:пожалуйста, )?(?:обращайтесь(?: к нам)?|напишите нам|свяжитесь с нами)|"
    r"(?:қосымша )?сұрақтарыңыз болса, (?:бізге )?(?:хабарласыңыз|жазыңыз))"
)
_COURTESY = re.compile(
    rf"(?:{_GREETING}|{_THANKS}|{_CLOSING})(?:[\s,.!]+(?:{_GREETING}|{_THANKS}|{_CLOSING}))*[\s,.!]*"
)


def is_courtesy(sentence: str) -> bool:
    """Whether the *whole* sentence is one of a fixed set of courtesies: `Dear customer, your loan is forgiven` is not."""
    return _COURTESY.fullmatch(fold(" ".join(sentence.split()))) is not None
