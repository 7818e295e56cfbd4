"""What is said of data on the desk: sources and their passes, findings, scores and who acts on them."""

from __future__ import annotations

from collections.abc import Mapping

from countersign.web.i18n import N_

SOURCE_STATE: Mapping[str, str] = {
    "fresh": N_("in order"),
    "stale": N_("out of date"),
    "failing": N_("cannot be read"),
    "held": N_("removal held back"),
    "never_read": N_("never read"),
    "running": N_("being read"),
    "pushed": N_("documents are sent to it"),
    "silent": N_("nothing was sent for too long"),
}

NEXT_STEP: Mapping[str, str] = {
    "stale": N_("Read it now. If that does not help, look at its recent passes and at its schedule."),
    "failing": N_("What was read before still answers. Repair what the code names, then read it again."),
    "held": N_(
        "The last listing lacked so many documents that nothing was removed. Look whether the source is whole; if the removal is meant, accept it."
    ),
    "never_read": N_("Read it now, or give it a schedule in the workspace file."),
    "silent": N_("Find out why whoever sends its documents has stopped."),
    "running": N_("Reload the page to see how far it is."),
}

SOURCE_PROBLEM: Mapping[str, str] = {
    "source_unavailable": N_("The server does not answer."),
    "source_timeout": N_("The server took longer than allowed."),
    "source_credentials_refused": N_("The server refuses the name, password or key."),
    "source_login_refused": N_("The server refuses the name, password or key."),
    "source_host_unverified": N_("The server is not the one that is known: its key is another one."),
    "source_certificate_untrusted": N_("The server's certificate is not trusted."),
    "source_folder_missing": N_("The folder is not there."),
    "source_folder_unreadable": N_("A folder could not be read."),
    "source_sidecar_missing": N_("The manifest is not there."),
    "source_query_failed": N_("The query failed."),
    "source_error_page": N_("The server sent a web page where a document should be."),
    "source_listing_garbled": N_("What the server listed cannot be understood."),
    "source_listing_loops": N_("The server lists the same documents again and again."),
    "source_too_large": N_("It lists more documents than allowed."),
    "source_shrunk": N_("Many documents are suddenly missing from the listing."),
    "source_column_missing": N_("Its query lacks a column that the settings name."),
    "source_key_not_unique": N_("The column that should name a row is the same in many rows."),
    "source_key_missing": N_("The row has no key."),
    "source_key_unusable": N_("The row's key cannot name a document."),
    "source_not_encrypted": N_("The mail server offers no encryption."),
    "source_not_a_mailbox": N_("The file is not a mailbox."),
    "source_login_page": N_("The site asks to sign in where the page should be."),
    "source_redirected_away": N_("The page leads off the site."),
    "source_address_refused": N_("Its address lies in an inner network that is not allowed."),
    "source_page_unavailable": N_("The page cannot be fetched now."),
    "source_pages_unavailable": N_("Some pages of which nothing is known could not be fetched."),
    "source_robots_refused": N_("The site's robots.txt does not let us in."),
    "source_sitemap_unreadable": N_("The site's map cannot be read."),
    "source_cache_failed": N_("The state folder cannot be written."),
    "source_file_gone": N_("The file was gone when it should be read."),
    "source_file_too_large": N_("The file is larger than allowed."),
    "source_changed_while_read": N_("It changed while it was read; the next pass tries again."),
    "source_name_unreadable": N_("The name cannot be read."),
    "source_ref_missing": N_("The repository has no such branch or tag."),
    "source_private_key_unreadable": N_("The private key cannot be read."),
    "source_key_invalid": N_("A name in the bucket cannot be used as one."),
    "source_sidecar_too_large": N_("The manifest is too large."),
    "source_query_unusable": N_("The query cannot be sent as it is written."),
    "source_unsupported": N_("The server cannot be read safely."),
    "erased": N_("It was erased here and is not taken in again."),
}

OUTCOME: Mapping[str, str] = {
    "running": N_("running"),
    "complete": N_("complete"),
    "held": N_("removal held back"),
    "failed": N_("failed"),
    "overtaken": N_("overtaken by a newer pass"),
}

TRIGGER: Mapping[str, str] = {
    "schedule": N_("by schedule"),
    "watch": N_("after a change"),
    "asked": N_("asked for"),
    "command": N_("by command"),
}

LEFT_OUT: Mapping[str, str] = {
    "wrong_tenant": N_("It says another organisation than the document that carries it."),
    "tenant_unknown": N_("It names an organisation that this source does not serve."),
    "metadata_invalid": N_("What the manifest says of it cannot be understood."),
    "source_key_duplicate": N_("Its key stands in more than one row."),
    "content_missing": N_("Its stored content is missing."),
}

READINESS: Mapping[str, str] = {
    "nothing_read": N_("Nothing was read"),
    "not_ready": N_("Not ready"),
    "warnings": N_("Ready, with warnings"),
    "ready": N_("Ready"),
}

SEVERITY: Mapping[str, str] = {
    "error": N_("Error"),
    "warning": N_("Warning"),
    "info": N_("Note"),
}

OWNER: Mapping[str, str] = {
    "data owner": N_("Data owner"),
    "security officer": N_("Security officer"),
    "platform engineer": N_("Platform engineer"),
}

POLICY: Mapping[str, str] = {
    "index": N_("indexed"),
    "warn": N_("indexed with a warning"),
    "quarantine": N_("kept out of the index"),
}

PERSONAL: Mapping[str, str] = {
    "iin": N_("Individual identification number (IIN)"),
    "bin": N_("Business identification number (BIN)"),
    "iban": N_("Bank account (IBAN)"),
    "card": N_("Payment card"),
    "phone": N_("Phone number"),
    "email": N_("E-mail address"),
    "inn": N_("Taxpayer number (INN)"),
    "snils": N_("Insurance number (SNILS)"),
    "passport": N_("Passport"),
    "identity_card": N_("Identity card"),
    "key": N_("Access key or secret"),
    "secret": N_("Access key or secret"),
    "password": N_("Password"),
    "private_key": N_("Private key"),
    "name": N_("Name of a person"),
}

DATA_KINDS: Mapping[str, Mapping[str, str]] = {
    "source": SOURCE_STATE,
    "next": NEXT_STEP,
    "source_problem": SOURCE_PROBLEM,
    "outcome": OUTCOME,
    "trigger": TRIGGER,
    "left_out": LEFT_OUT,
    "readiness": READINESS,
    "severity": SEVERITY,
    "owner": OWNER,
    "policy": POLICY,
    "personal": PERSONAL,
}
