"""What the house's stable codes are called on the desk. An unknown code is shown as it is: never hidden, never guessed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from countersign.domain.answers import AnswerStatus, RefusalReason
from countersign.domain.documents import DocumentStatus, ParseStatus
from countersign.domain.events import EventKind
from countersign.web.i18n import N_
from countersign.web.wording_data import DATA_KINDS

Translate = Callable[[str], str]

STATUS: Mapping[str, str] = {
    AnswerStatus.DELIVERED: N_("Delivered"),
    AnswerStatus.HELD: N_("Held for review"),
    AnswerStatus.REFUSED: N_("Not answered"),
    AnswerStatus.DEGRADED: N_("Delivered, simplified"),
}

REFUSAL: Mapping[str, str] = {
    RefusalReason.NO_EVIDENCE: N_("No answer was found in the documents that you may see."),
    RefusalReason.SOURCE_TOO_OLD: N_("The source has not been confirmed recently enough to rely on it."),
    RefusalReason.QUESTION_BLOCKED: N_("The question did not pass the rules of this service."),
    RefusalReason.OUTPUT_BLOCKED: N_("The draft did not pass the safety check and was discarded."),
    RefusalReason.BUDGET_EXCEEDED: N_("The spending limit of this assistant has been reached."),
    RefusalReason.NO_MODEL_ALLOWED: N_("No model may process these documents under the residency rules."),
    RefusalReason.MODEL_UNAVAILABLE: N_("No model is reachable at the moment."),
    RefusalReason.REJECTED_BY_REVIEWER: N_("A reviewer read the draft and did not approve it."),
}

ADVICE: Mapping[str, str] = {
    RefusalReason.NO_EVIDENCE: N_(
        "Name the product, document or date more exactly. If a document should be there, ask its owner for access."
    ),
    RefusalReason.SOURCE_TOO_OLD: N_(
        "Ask the owner of the documents, or try again after the next synchronisation."
    ),
    RefusalReason.QUESTION_BLOCKED: N_(
        "Ask in your own words and without pasted instructions, at a shorter length."
    ),
    RefusalReason.OUTPUT_BLOCKED: N_(
        "Ask for less at once. If it happens again, give the answer id to your operator."
    ),
    RefusalReason.BUDGET_EXCEEDED: N_(
        "Try again tomorrow, or ask the owner of this assistant for a higher limit."
    ),
    RefusalReason.NO_MODEL_ALLOWED: N_(
        "Open the documents themselves, or give the answer id to your operator."
    ),
    RefusalReason.MODEL_UNAVAILABLE: N_("Wait a few minutes and ask again. Nothing was lost."),
    RefusalReason.REJECTED_BY_REVIEWER: N_("Ask differently, or contact the reviewers with the answer id."),
}

STEP: Mapping[str, str] = {
    "guard_question": N_("Checking the question"),
    "retrieve": N_("Searching the documents you may see"),
    "guard_passages": N_("Checking the passages found"),
    "weigh": N_("Weighing whether it holds an answer"),
    "compose": N_("Preparing the request"),
    "generate": N_("Writing the answer"),
    "guard_output": N_("Checking the text"),
    "bind": N_("Linking sentences to sources"),
    "verify": N_("Verifying every sentence"),
    "judge": N_("Deciding whether it may go out"),
    "record": N_("Recording"),
}

SUPPORT: Mapping[str, str] = {
    "literal": N_("stated in the source"),
    "semantic": N_("the source says the same in other words"),
    "none": N_("not supported by the sources"),
}

CLAIM_REASON: Mapping[str, str] = {
    "number_missing": N_("the figure {detail} is not in the cited source"),
    "number_of_another_subject": N_("the figure {detail} belongs to another subject in the source"),
    "date_missing": N_("the date {detail} is not in the cited source"),
    "time_missing": N_("the time {detail} is not in the cited source"),
    "identifier_missing": N_("the identifier {detail} is not in the cited source"),
    "name_missing": N_("the name {detail} is not in the cited source"),
    "different_subject": N_("the source does not speak of {detail}"),
    "negation_differs": N_("the source says the contrary"),
    "opposite": N_("the source says the opposite of {detail}"),
    "low_overlap": N_("too little of it is in the cited source"),
    "no_citation": N_("it names no source"),
    "no_evidence": N_("there is nothing to compare it with"),
    "language_unknown": N_("its language could not be told"),
    "language_unmeasured": N_("not verifiable in this pair of languages"),
}

HOLD: Mapping[str, str] = {
    "risk_high": N_("every answer of this assistant is reviewed"),
    "everything": N_("every answer of this assistant is reviewed"),
    "unsupported_claims": N_("a sentence is not supported by its source"),
    "conflicts": N_("documents contradict each other"),
    "low_confidence": N_("the confidence is low"),
    "classification": N_("it rests on documents classified {detail}"),
    "no_evidence": N_("nothing in it can be verified"),
}

WARNING: Mapping[str, str] = {
    "unsupported_claims": N_("Some sentences are not supported by the sources. They are marked."),
    "conflicts": N_("Documents contradict each other on this question."),
    "low_confidence": N_("Low confidence: read the sources before you rely on this."),
    "degraded": N_("The usual model did not answer; a simpler one took its place."),
    "subject_not_found": N_("Nothing that was found mentions the name asked about."),
    "period_not_found": N_("What was found is about other years than the one asked about."),
    "question_unclear": N_("The question points to something without naming it."),
    "evidence_thin": N_("What was found hardly fits the question."),
    "lexical_only": N_("Only words were searched: the meaning search is not available at the moment."),
    "invented_citation": N_("A reference that pointed to nothing was removed."),
    "cut_at_length": N_("The answer was cut at its maximum length."),
    "cut_short": N_("The end of the answer is missing: its delivery was broken off."),
    "rights_changed": N_("A source stopped being available to you while the answer was written."),
    "question_too_long": N_("The question is too long."),
    "question_empty": N_("Nothing readable was left of the question."),
    "as_of_another_day": N_("The answer is for the day asked about, not for today."),
    "only_superseded": N_("Only a version that is no longer in force answers this."),
    "source_stale": N_("A source has not been confirmed as recently as it should be: {detail}."),
    "assistant_addressed": N_("Something in this text is aimed at an assistant, not at its readers."),
    "no_longer_in_force": N_("No longer in force today."),
    "not_yet_in_force": N_("Not yet in force today."),
    "changed_in_period": N_("What applied changed within the period asked about; the answer is for its end."),
}

BAND: Mapping[str, str] = {"low": N_("Low"), "medium": N_("Medium"), "high": N_("High")}

TASK: Mapping[str, str] = {
    "answer": N_("Answer a question"),
    "summarise": N_("Summarise a document"),
    "reply": N_("Draft a reply to a customer"),
}

VERDICT: Mapping[str, str] = {
    "helpful": N_("Helpful"),
    "incomplete": N_("Incomplete"),
    "wrong": N_("Wrong"),
    "other": N_("Something else"),
}

DECISION: Mapping[str, str] = {
    "approve": N_("Approved"),
    "edit": N_("Edited and approved"),
    "reject": N_("Rejected"),
    "escalate": N_("Escalated"),
}

REVIEW_STATE: Mapping[str, str] = {
    "open": N_("Open"),
    "claimed": N_("Claimed"),
    "escalated": N_("Escalated"),
    "decided": N_("Decided"),
}

QUESTION_STATE: Mapping[str, str] = {
    "draft": N_("Draft"),
    "confirmed": N_("Confirmed"),
    "dropped": N_("Dropped"),
}

DOCUMENT: Mapping[str, str] = {
    DocumentStatus.QUEUED: N_("Queued"),
    DocumentStatus.INDEXED: N_("Searchable"),
    DocumentStatus.QUARANTINED: N_("Quarantined"),
    DocumentStatus.FAILED: N_("Failed"),
    DocumentStatus.DELETED: N_("Deleted"),
}

PARSE: Mapping[str, str] = {
    ParseStatus.OK: N_("read completely"),
    ParseStatus.PARTIAL: N_("read in part"),
    ParseStatus.NEEDS_OCR: N_("needs text recognition"),
    ParseStatus.ENCRYPTED: N_("protected by a password"),
    ParseStatus.CORRUPT: N_("damaged"),
    ParseStatus.REFUSED_LIMIT: N_("over the limits"),
    ParseStatus.TIMEOUT: N_("took too long to read"),
    ParseStatus.EMPTY: N_("no text in it"),
    ParseStatus.UNSUPPORTED: N_("format not supported"),
    "unreadable": N_("could not be fetched"),
}

GATE: Mapping[str, str] = {
    "tenant": N_("Same organisation"),
    "status": N_("State of the document"),
    "rights": N_("Rights"),
    "valid_from": N_("Valid from"),
    "valid_to": N_("Valid until"),
    "superseded": N_("Replaced by a newer document"),
}

EVENT: Mapping[str, str] = {
    EventKind.ANSWER_ASKED: N_("Question asked"),
    EventKind.ANSWER_QUESTION_GUARDED: N_("Question checked"),
    EventKind.ANSWER_RETRIEVED: N_("Documents searched"),
    EventKind.ANSWER_PASSAGES_GUARDED: N_("Passages checked"),
    EventKind.ANSWER_GENERATED: N_("Answer written"),
    EventKind.ANSWER_VERIFIED: N_("Sentences verified"),
    EventKind.ANSWER_OUTPUT_GUARDED: N_("Text checked"),
    EventKind.ANSWER_DECIDED: N_("Decision"),
    EventKind.ANSWER_READ: N_("Answer read"),
    EventKind.ANSWER_FEEDBACK: N_("Feedback given"),
    EventKind.SEARCH_MADE: N_("Search"),
    EventKind.SEARCH_OPENED: N_("Page of a search opened"),
    EventKind.MODEL_CALLED: N_("Model called"),
    EventKind.BUDGET_RESERVED: N_("Budget reserved"),
    EventKind.BUDGET_SETTLED: N_("Budget settled"),
    EventKind.BUDGET_REFUSED: N_("Budget refused"),
    EventKind.REVIEW_OPENED: N_("Sent to review"),
    EventKind.REVIEW_CLAIMED: N_("Review claimed"),
    EventKind.REVIEW_DECIDED: N_("Review decided"),
    EventKind.REVIEW_OVERDUE: N_("Review overdue"),
    EventKind.DOCUMENT_RECEIVED: N_("Document received"),
    EventKind.DOCUMENT_INDEXED: N_("Document made searchable"),
    EventKind.DOCUMENT_QUARANTINED: N_("Document quarantined"),
    EventKind.DOCUMENT_FAILED: N_("Document failed"),
    EventKind.DOCUMENT_RIGHTS_CHANGED: N_("Rights changed"),
    EventKind.DOCUMENT_DELETED: N_("Document deleted"),
    EventKind.DOCUMENT_ERASED: N_("Document erased"),
    EventKind.SOURCE_SYNCED: N_("Source synchronised"),
    EventKind.SOURCE_SYNC_ASKED: N_("Reading of a source asked for"),
    EventKind.SOURCE_STALE: N_("Source out of date"),
    EventKind.SOURCE_RECOVERED: N_("Source up to date again"),
    EventKind.READINESS_AUDITED: N_("Documents audited"),
    EventKind.READINESS_ACCEPTED: N_("Finding accepted"),
    EventKind.READINESS_ACCEPTANCE_WITHDRAWN: N_("Acceptance withdrawn"),
    EventKind.QUESTIONS_ADDED: N_("Questions added"),
    EventKind.QUESTIONS_DECIDED: N_("Questions decided"),
    EventKind.INDEX_TUNED: N_("Retrieval measured"),
    EventKind.USER_CHANGED: N_("Person changed"),
    EventKind.KEY_CREATED: N_("Key created"),
    EventKind.KEY_REVOKED: N_("Key revoked"),
    EventKind.SIGNED_IN: N_("Signed in"),
    EventKind.SIGN_IN_FAILED: N_("Sign-in failed"),
    EventKind.SIGNED_OUT: N_("Signed out"),
    EventKind.IMPERSONATED: N_("Impersonation"),
    EventKind.ACCESS_EXPLAINED: N_("Access explained"),
    EventKind.RELEASE_CHANGED: N_("Release changed"),
    EventKind.INDEX_REBUILT: N_("Index rebuilt"),
    EventKind.INDEX_VERSION_ADDED: N_("Index version begun"),
    EventKind.INDEX_VERSION_READY: N_("Index version ready"),
    EventKind.INDEX_SWITCHED: N_("Index version switched"),
    EventKind.INDEX_VERSION_DROPPED: N_("Index version dropped"),
    EventKind.BACKUP_TAKEN: N_("Backup taken"),
    EventKind.BACKUP_RESTORED: N_("Backup restored"),
    EventKind.RETENTION_APPLIED: N_("Retention applied"),
}

FACT: Mapping[str, str] = {
    "assistant": N_("Assistant"),
    "task": N_("Task"),
    "release": N_("Release"),
    "language": N_("Language"),
    "findings": N_("Findings"),
    "blocked": N_("Stopped because"),
    "passages": N_("Passages"),
    "documents": N_("Documents"),
    "denied": N_("Left out by rights"),
    "dropped": N_("Left out by policy"),
    "lexical_only": N_("Words only"),
    "applied_seq": N_("Index position"),
    "model": N_("Model"),
    "input_tokens": N_("Tokens in"),
    "output_tokens": N_("Tokens out"),
    "amount": N_("Cost"),
    "currency": N_("Currency"),
    "claims": N_("Sentences"),
    "unsupported": N_("Unsupported"),
    "conflicts": N_("Contradictions"),
    "status": N_("Status"),
    "refusal": N_("Refusal"),
    "hold_reasons": N_("Held because"),
    "reasons": N_("Reasons"),
    "reason": N_("Reason"),
    "confidence": N_("Confidence"),
    "calibrated": N_("Calibrated"),
    "features": N_("Features"),
    "degraded_because": N_("Simplified because"),
    "warnings": N_("Warnings"),
    "citations": N_("Citations"),
    "ai_generated": N_("AI-generated"),
    "review": N_("Review"),
    "groups": N_("Groups"),
    "verdict": N_("Verdict"),
    "released": N_("Returned to the queue"),
    "impersonated_by": N_("Impersonated by"),
    "finish_reason": N_("Ended with"),
    "skipped": N_("Rungs passed over"),
    "changed": N_("Changed"),
    "characters": N_("Characters"),
    "code": N_("Code"),
    "fields": N_("Fields"),
    "person": N_("Person"),
    "prefix": N_("Beginning of the key"),
    "roles": N_("Roles"),
    "rung": N_("Rung"),
    "source": N_("Source"),
    "unmetered": N_("Not metered"),
    "usage_reported": N_("Counted by the provider"),
    "version": N_("Version"),
    "text": N_("Text"),
    "question": N_("Question"),
    "answer": N_("Answer"),
}

NOTICE: Mapping[str, str] = {
    "approved": N_("Approved. The asker can read the answer now."),
    "edited": N_("Edited and approved. The asker can read your text now."),
    "rejected": N_("Rejected. The asker was told that no answer is given."),
    "escalated": N_("Escalated. An administrator of your organisation may decide now."),
    "claimed": N_("The item is yours. Others can see that you work on it."),
    "returned": N_("The item is back in the queue."),
    "thanks": N_("Thank you. Your feedback is on record."),
    "signed_out": N_("You are signed out."),
    "source_asked": N_("The source is read as soon as its turn comes. Reload the page to see how far it is."),
    "finding_accepted": N_("Accepted. It counts for nothing until its last day."),
    "acceptance_withdrawn": N_("Undone. The finding counts again."),
    "question_confirmed": N_("Confirmed."),
    "question_dropped": N_("Dropped: it will not be measured against."),
    "question_undone": N_("Undone: the question is a draft again."),
    "removals_accepted": N_("Accepted. The next pass removes as many documents as were held back."),
}

PROBLEM: Mapping[str, str] = {
    "not_found": N_("There is nothing here that you may see."),
    "bad_request": N_("This cannot be done in this way."),
    "conflict": N_("Somebody else was faster. Reload the page and look again."),
    "unavailable": N_("The service cannot do this at the moment. Try again in a few minutes."),
    "assistant_not_found": N_("There is no such assistant for you."),
    "task_not_offered": N_("This assistant does not offer this task."),
    "not_permitted": N_("Your role does not allow this."),
    "csrf_failed": N_("This form is out of date. Go back, reload the page and try again."),
    "sign_in_failed": N_("Name and password, or key, do not fit."),
    "sign_in_locked": N_("Too many failed attempts. Wait a quarter of an hour and try again."),
    "review_claimed": N_("Another reviewer has claimed this item. Take the next one in the queue."),
    "review_decided": N_("This item has been decided meanwhile."),
    "review_not_claimed": N_("You have not claimed this item."),
    "reason_missing": N_("A reason is needed; one sentence is enough."),
    "edit_empty": N_("The text is empty. Write the answer, or reject it."),
    "text_too_long": N_("The text is too long."),
    "too_many_requests": N_("You already have several questions under way. Wait for one of them to finish."),
    "overloaded": N_("Too many questions are waiting at the moment. Try again shortly."),
    "form_too_large": N_("The form is too large."),
    "form_invalid": N_("The form could not be read."),
    "question_missing": N_("Write a question first."),
    "query_missing": N_("Write what you are looking for first."),
    "index_version_unknown": N_("There is no such index version."),
    "index_version_building": N_("This index version is still being built."),
    "index_version_dropped": N_("This index version was dropped."),
    "index_version_embedder": N_("This index version is for another embedding model."),
    "document_missing": N_("Choose the document to summarise: open it and press “Summarise”."),
    "date_invalid": N_("The date could not be read."),
    "connection_lost": N_(
        "The connection was lost. Ask again; an answer that was ready is among your answers."
    ),
    "question_too_long": N_("The question is too long."),
    "question_not_found": N_("There is no such question for you any more."),
    "question_set_not_found": N_("There is no such question set."),
    "lifetime_invalid": N_("Choose for how long it is accepted."),
    "document_not_found": N_("No audit knows this document any more."),
    "acceptance_not_found": N_("This had not been accepted, or it was undone already."),
    "readiness_code_unknown": N_("There is no such code."),
    "removals_not_held": N_("No removal is held back any more. Read the source again."),
    "source_not_readable": N_("This source is not read: documents are sent to it."),
    "page_not_rendered": N_("The page image cannot be shown."),
}

LEG: Mapping[str, str] = {
    "dense": N_("by meaning"),
    "words": N_("by words"),
    "grams": N_("by parts of words"),
}

ROUTED: Mapping[str, str] = {
    "name": N_("its name"),
    "identifier": N_("its number or code"),
    "period": N_("its year or quarter"),
}

KINDS: Mapping[str, Mapping[str, str]] = {
    "leg": LEG,
    "routed": ROUTED,
    "status": STATUS,
    "refusal": REFUSAL,
    "advice": ADVICE,
    "step": STEP,
    "support": SUPPORT,
    "claim": CLAIM_REASON,
    "hold": HOLD,
    "warning": WARNING,
    "band": BAND,
    "task": TASK,
    "verdict": VERDICT,
    "decision": DECISION,
    "review": REVIEW_STATE,
    "question": QUESTION_STATE,
    "document": DOCUMENT,
    "parse": PARSE,
    "gate": GATE,
    "event": EVENT,
    "fact": FACT,
    "notice": NOTICE,
    "problem": PROBLEM,
    **DATA_KINDS,
}


def word(translate: Translate, kind: str, code: str) -> str:
    """The words for `code`. A detail behind a colon (`number_missing:45`) goes into its place."""
    words = KINDS[kind]
    if code in words:
        return translate(words[code]).replace("{detail}", "").strip()
    name, _, detail = code.partition(":")
    if name in words:
        return translate(words[name]).replace("{detail}", detail)
    return code.replace("_", " ")
