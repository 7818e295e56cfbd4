"""Every code that a guard finding can carry, with one line on what it means. The documentation is made from this table."""

from __future__ import annotations

from typing import Final

CODES: Final[dict[str, str]] = {
    # question and history
    "question_empty": "Nothing readable is left of the question; it is not asked.",
    "question_too_long": "The question is longer than the limit; it is not asked.",
    "history_truncated": "Older turns of the conversation were left out because the history is over its limit.",
    "check_blocked": "An added check refused the text.",
    # any untrusted text
    "invisible_characters": "Zero-width, bidirectional, control or variation characters were removed.",
    "tag_characters": "Text hidden in Unicode tag characters was removed; detectors read it, the model does not.",
    "mixed_script": "Words mixing look-alike letters of two alphabets were folded to one alphabet.",
    "styled_characters": "Full-width or mathematical letters were replaced by ordinary ones.",
    "encoded_text": "Readable text was found inside an encoding (base64); detectors read it decoded.",
    "control_token": "Chat-control tokens of a model family were taken apart so that no model obeys them.",
    "fence_imitation": "The text imitates the fences that separate documents from instructions; it was defused.",
    "injection_signal": "The wording resembles an attempt to redirect the assistant: a signal with a score, no verdict.",
    # passages
    "assistant_addressed": "A document passage speaks to the assistant that reads it instead of to people.",
    "passage_dropped": "Policy left a passage out because of what the other findings say about it.",
    # prompt
    "canary_misplaced": "The canary stands outside the system prompt.",
    "canary_missing": "The system prompt does not carry this request's canary.",
    "secret_in_prompt": "A configured secret stands in the prompt; the call is not made.",
    "unfenced_marker": "The request's fence marker stands outside a fence line; the call is not made.",
    "control_token_in_prompt": "A chat-control token reached the prompt; the call is not made.",
    # output
    "canary_leaked": "The output began to repeat the canary of the system prompt; it was stopped before it.",
    "secret_leaked": "The output began to repeat a configured secret; it was stopped before it.",
    "system_prompt_overlap": "Eight or more consecutive words of the system prompt were about to be repeated.",
    "output_invisible_characters": "Invisible characters were removed from the output.",
    "entity_decoded": "Character references were decoded so that nothing hides in them.",
    "html_removed": "An HTML tag was removed from the output.",
    "html_defused": "A `<` that could open a tag was defused.",
    "image_removed": "An image from a host that is not allowed was removed.",
    "link_unlinked": "A link to a host that is not allowed lost its link form.",
    "url_defanged": "An address of a host that is not allowed was made inert.",
    "word_too_long": "An unbroken run of characters passed the cap and was cut or withheld.",
    "personal_redacted": "Personal data or an access key was replaced by a token.",
}
"""Stable code → one line."""
