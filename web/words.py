"""The words for codes of the database: kinds, states, roles, labels."""

from __future__ import annotations

from flask import Flask
from flask_babel import LazyString, lazy_gettext, lazy_pgettext
from jinja2 import pass_context
from jinja2.runtime import Context

from terracrm.models import Sharing, StreamState

Words = dict[str, LazyString]

KINDS: Words = {
    "mail": lazy_gettext("Mail"),
    "meeting": lazy_gettext("Meeting"),
    "note": lazy_gettext("Note"),
    "task": lazy_gettext("Task"),
}
STREAMS: Words = {
    "contacts": lazy_gettext("Contacts"),
    "calendar": lazy_gettext("Calendar"),
    "mail": lazy_gettext("Mail"),
    "tasks": lazy_gettext("Tasks"),
    "posts": lazy_gettext("Posts"),
}
STATES: Words = {
    StreamState.NEW: lazy_pgettext("stream", "not yet run"),
    StreamState.OK: lazy_pgettext("stream", "in order"),
    StreamState.DEGRADED: lazy_pgettext("stream", "with gaps"),
    StreamState.BACKOFF: lazy_pgettext("stream", "waits to try again"),
    StreamState.CREDENTIALS: lazy_pgettext("stream", "cannot sign in"),
    StreamState.PAUSED: lazy_pgettext("stream", "paused"),
    StreamState.APPROVAL: lazy_pgettext("stream", "needs approval"),
}
TROUBLES: Words = {
    "quarantined": lazy_gettext("Some items could not be processed; the others are there. They are tried again."),
    "given_up": lazy_gettext(
        "Some changes could not be written into Outlook and are tried no more. They wait for a person, under “To be "
        "written into Outlook”."
    ),
    "gaps": lazy_gettext("What is in the mailbox and what is here was counted, and is not the same."),
    "failed": lazy_gettext("The last run failed in a way that nobody had foreseen. The next try comes by itself."),
    StreamState.BACKOFF: lazy_gettext("The server did not answer as it should. The next try comes by itself."),
    StreamState.CREDENTIALS: lazy_gettext(
        "The server refused the name or the password. Enter them anew and enable it."
    ),
    StreamState.PAUSED: lazy_gettext("It does not run any more. Mend what the reason says and enable it."),
    StreamState.APPROVAL: lazy_gettext(
        "A run would have removed or changed very much. Nothing of it was done: look at its plan and decide."
    ),
}
OUTCOMES: Words = {
    "running": lazy_pgettext("run", "running"),
    "ok": lazy_pgettext("run", "done"),
    "failed": lazy_pgettext("run", "failed"),
    "superseded": lazy_pgettext("run", "taken over by another"),
    "broken_off": lazy_pgettext("run", "broken off"),
    "braked": lazy_pgettext("run", "waits for approval"),
}
ROLES: Words = {
    "manager": lazy_gettext("Client manager"),
    "controller": lazy_gettext("Controller"),
    "admin": lazy_gettext("Administrator"),
}
PART: Words = {
    "from": lazy_pgettext("participant", "From"),
    "to": lazy_pgettext("participant", "To"),
    "cc": lazy_pgettext("participant", "Cc"),
    "bcc": lazy_pgettext("participant", "Bcc"),
    "organizer": lazy_pgettext("participant", "Organizer"),
    "required": lazy_pgettext("participant", "Required"),
    "optional": lazy_pgettext("participant", "Optional"),
    "resource": lazy_pgettext("participant", "Room"),
}
RESPONSES: Words = {
    "organizer": lazy_pgettext("answer", "organizer"),
    "accepted": lazy_pgettext("answer", "accepted"),
    "tentative": lazy_pgettext("answer", "perhaps"),
    "declined": lazy_pgettext("answer", "declined"),
    "unknown": lazy_pgettext("answer", "no answer yet"),
    "": lazy_pgettext("answer", "no answer yet"),
}
MATCHES: Words = {
    "decision": lazy_gettext("somebody decided who it is"),
    "address": lazy_gettext("known by the address"),
    "domain": lazy_gettext("known by the company's domain"),
    "internal": lazy_gettext("our own domain"),
    "ambiguous": lazy_gettext("several people have the address"),
    "": lazy_gettext("not known"),
}
TOPICS: Words = {
    "manual": lazy_pgettext("topic", "set by hand"),
    "token": lazy_pgettext("topic", "the subject names it by a token of ours"),
    "reply": lazy_pgettext("topic", "it belongs to the mail that it answers"),
    "conversation": lazy_pgettext("topic", "the mail server counts it as part of that conversation"),
    "subject": lazy_pgettext("topic", "it is a reply by the subject alone"),
}
SAME_ITEM: Words = {
    "message_id": lazy_pgettext("the same", "the same by its Message-ID"),
    "hash": lazy_pgettext("the same", "the same by its content, since it has no Message-ID"),
    "uid": lazy_pgettext("the same", "the same by its number in calendars"),
    "item": lazy_pgettext("the same", "only this item, since it has no number in calendars"),
    "address": lazy_pgettext("the same", "the same person by an address"),
    "content": lazy_pgettext("the same", "the same entry by its content"),
    "written": lazy_pgettext("the same", "written there by TerraCRM"),
}
RULES: Words = {
    "mail": lazy_gettext("mail with clients is mirrored"),
    "known_people": lazy_gettext("it is with a known contact or company"),
    "sent": lazy_gettext("we sent it"),
    "reply": lazy_gettext("it answers what we sent"),
    "tracked": lazy_gettext("somebody gave it the tracking category in Outlook"),
    "calendar": lazy_gettext("meetings with people from outside are mirrored"),
    "contacts": lazy_gettext("it is in the contacts folder"),
    "contacts_folder": lazy_gettext("it is in the contacts folder"),
    "sent_mail": lazy_gettext("we wrote to this person"),
    "contact_company": lazy_gettext("the entry of a contact names it"),
    "mail_domain": lazy_gettext("we wrote to somebody of its domain"),
    "tray": lazy_gettext("somebody took it out of the tray"),
    "by_hand": lazy_gettext("somebody added it by hand"),
    "task": lazy_gettext("somebody set this task"),
    "tasks": lazy_gettext("who is to do the task has it in Outlook"),
    "clients": lazy_gettext("it is a client that is kept in this Outlook"),
}
LEFT_OUT: Words = {
    "private": lazy_pgettext("left out", "it is private"),
    "draft": lazy_pgettext("left out", "it is a draft"),
    "internal_only": lazy_pgettext("left out", "it is among colleagues only"),
    "unknown_people": lazy_pgettext("left out", "nobody in it is a known contact or of a known company"),
    "not_a_reply": lazy_pgettext("left out", "it answers nothing that we sent"),
    "not_tracked": lazy_pgettext("left out", "it does not carry the tracking category"),
    "capture_off": lazy_pgettext("left out", "no mail of this mailbox is mirrored"),
    "other_category": lazy_pgettext("left out", "it does not carry the category that this stream asks for"),
    "folder_left_out": lazy_pgettext("left out", "its folder is not mirrored"),
    "copy": lazy_pgettext("left out", "it is a copy of an item that is linked already"),
    "other_kind": lazy_pgettext("left out", "it is of another kind than its folder, such as a distribution list"),
    "direction": lazy_pgettext("left out", "nothing comes in from this folder"),
    "untracked": lazy_pgettext("left out", "its category was removed, or a rule asked for another one"),
    "undone": lazy_pgettext("left out", "the run that had brought it was undone"),
}
GAPS: Words = {
    "missing": lazy_pgettext("gap", "in the mailbox, and not here"),
    "extra": lazy_pgettext("gap", "here, and no longer in the mailbox"),
    "stale": lazy_pgettext("gap", "another one in the mailbox than here"),
}
CAPTURE: Words = {
    "all": lazy_gettext("all mail with people outside"),
    "known": lazy_gettext("mail with known contacts and companies"),
    "replies": lazy_gettext("what we sent, and the replies to it"),
    "category": lazy_gettext("what carries the tracking category"),
    "none": lazy_gettext("no mail"),
}
DETAIL: Words = {
    "full": lazy_gettext("all of it"),
    "headers": lazy_gettext("only who wrote to whom, and when"),
}
CREATE_CONTACTS: Words = {
    "off": lazy_gettext("nobody"),
    "sent": lazy_gettext("those we wrote to"),
    "all": lazy_gettext("also everybody who writes to us"),
}
RULE_NAMES: Words = {
    "capture": lazy_gettext("Which mail is mirrored"),
    "detail": lazy_gettext("What is kept of a mail"),
    "create_contacts": lazy_gettext("Who becomes a contact by mail"),
    "tracking_category": lazy_gettext("Tracking category"),
}
SHARING: Words = {
    str(int(Sharing.PRIVATE)): lazy_gettext("only for those whose mailboxes hold it"),
    str(int(Sharing.PARTICIPANTS)): lazy_gettext("only for those whose mailboxes hold it"),
    str(int(Sharing.TEAM)): lazy_gettext("for the team"),
    str(int(Sharing.EVERYONE)): lazy_gettext("for everyone who sees the client"),
}
IMPORTANCE: Words = {
    "low": lazy_pgettext("importance", "low"),
    "normal": lazy_pgettext("importance", "normal"),
    "high": lazy_pgettext("importance", "high"),
}
LABELS: Words = {
    "business": lazy_pgettext("label", "work"),
    "business_2": lazy_pgettext("label", "work 2"),
    "business_fax": lazy_pgettext("label", "work fax"),
    "mobile": lazy_pgettext("label", "mobile"),
    "home": lazy_pgettext("label", "home"),
    "home_2": lazy_pgettext("label", "home 2"),
    "home_fax": lazy_pgettext("label", "home fax"),
    "company_main": lazy_pgettext("label", "main number"),
    "assistant": lazy_pgettext("label", "assistant"),
    "car": lazy_pgettext("label", "car"),
    "pager": lazy_pgettext("label", "pager"),
    "primary": lazy_pgettext("label", "primary"),
    "callback": lazy_pgettext("label", "callback"),
    "radio": lazy_pgettext("label", "radio"),
    "isdn": lazy_pgettext("label", "ISDN"),
    "telex": lazy_pgettext("label", "telex"),
    "tty_tdd": lazy_pgettext("label", "text phone"),
    "other_fax": lazy_pgettext("label", "other fax"),
    "other": lazy_pgettext("label", "other"),
}
FIELDS: Words = {
    "subject": lazy_pgettext("task", "Subject"),
    "text": lazy_pgettext("task", "Text"),
    "due_on": lazy_pgettext("task", "Due"),
    "remind_at": lazy_pgettext("task", "Reminder"),
    "importance": lazy_pgettext("task", "Importance"),
    "done_on": lazy_pgettext("task", "Done"),
    "name": lazy_pgettext("company", "Name"),
    "display_name": lazy_gettext("Full name"),
    "given_name": lazy_gettext("First name"),
    "middle_name": lazy_gettext("Middle name"),
    "surname": lazy_gettext("Last name"),
    "company": lazy_gettext("Company"),
    "company_name": lazy_gettext("Company"),
    "department": lazy_gettext("Department"),
    "job_title": lazy_gettext("Position"),
    "website": lazy_gettext("Website"),
    "birthday": lazy_gettext("Birthday"),
    "notes": lazy_gettext("Notes"),
    "emails": lazy_gettext("E-mail"),
    "addresses": lazy_gettext("E-mail"),
    "phones": lazy_gettext("Phones"),
    "phone": lazy_gettext("Phone"),
    "city": lazy_gettext("City"),
    "postal_addresses": lazy_gettext("Postal addresses"),
    "owner": lazy_gettext("Owner"),
    "team": lazy_gettext("Team"),
    "stage": lazy_pgettext("client", "Stage"),
    "archived": lazy_pgettext("client", "Archived"),
    "merged": lazy_pgettext("client", "Merged"),
    "created": lazy_pgettext("client", "New"),
    "domains": lazy_gettext("Mail domains"),
    "street": lazy_gettext("Street"),
    "region": lazy_pgettext("postal address", "Region"),
    "postal_code": lazy_gettext("Postal code"),
    "country": lazy_gettext("Country"),
    "categories": lazy_gettext("Categories"),
    "followed": lazy_pgettext("item", "Followed"),
    "sent_at": lazy_pgettext("mail", "Sent"),
    "start": lazy_pgettext("meeting", "Start"),
    "end": lazy_pgettext("meeting", "End"),
    "location": lazy_pgettext("meeting", "Place"),
    "participants": lazy_pgettext("meeting", "People"),
    "my_response": lazy_pgettext("meeting", "Answer"),
    "is_cancelled": lazy_pgettext("meeting", "Cancelled"),
    "recurrence": lazy_pgettext("meeting", "Repeats"),
    "history": lazy_pgettext("card", "History in the notes"),
}
SOURCES: Words = {
    "mailbox": lazy_pgettext("source", "from Outlook"),
    "mail": lazy_pgettext("source", "from the mail"),
    "portal": lazy_pgettext("source", "in the portal"),
    "command line": lazy_pgettext("source", "by command"),
    "merge": lazy_pgettext("source", "by merging"),
    "suggestion": lazy_pgettext("source", "from a signature"),
    "conflict": lazy_pgettext("source", "by deciding a conflict"),
    "undo": lazy_pgettext("source", "by undoing a run"),
}
PROBLEMS: Words = {
    "nameless": lazy_gettext("Say a name, a company, an address or a number at least."),
    "name": lazy_gettext("Say what the company is called."),
    "address": lazy_gettext("This is no e-mail address."),
    "phone": lazy_gettext("This is no phone number."),
    "date": lazy_gettext("This is not a day that can be kept."),
    "too_long": lazy_gettext("This is longer than what can be kept."),
    "too_many": lazy_gettext("These are more than can be kept."),
    "control": lazy_gettext("This has characters that cannot be shown."),
    "label": lazy_gettext("Choose the kind from the list."),
    "domain": lazy_gettext("This is no mail domain that tells a company."),
    "taken": lazy_gettext("This domain belongs to another company."),
    "there": lazy_gettext("There is a company of this name already. Open it, or merge the two later."),
}
REASONS: Words = {
    "same_address": lazy_pgettext("candidate", "has this address"),
    "same_account": lazy_pgettext("candidate", "same mailbox, written otherwise"),
    "same_phone": lazy_pgettext("candidate", "same phone"),
    "same_website": lazy_pgettext("candidate", "its website"),
    "same_domain": lazy_pgettext("candidate", "its people write from this domain"),
    "similar_name": lazy_pgettext("candidate", "similar name"),
    "similar_address": lazy_pgettext("candidate", "the address reads like the name"),
    "same_company": lazy_pgettext("candidate", "same company"),
}
DANGERS: Words = {
    "disguised": lazy_pgettext("file", "not what it says"),
    "deceptive": lazy_pgettext("file", "misleading name"),
    "program": lazy_pgettext("file", "program"),
    "archive": lazy_pgettext("file", "program inside"),
    "macro": lazy_pgettext("file", "macros"),
    "active": lazy_pgettext("file", "web page"),
    "hidden": lazy_pgettext("file", "cannot be checked"),
}
DANGER_HELP: Words = {
    "disguised": lazy_gettext(
        "Its content is not of the kind that its name says. Harmless files have no need to hide."
    ),
    "deceptive": lazy_gettext("Its name hides what kind of file it is: it is not the document it looks like."),
    "program": lazy_gettext("It is a program, a script or a file that can start one. Outlook blocks such files."),
    "archive": lazy_gettext("There is a program, a script or a document with macros in this archive."),
    "macro": lazy_gettext("It may hold macros, small programs that run when it is opened."),
    "active": lazy_gettext("It is a page or a drawing that can run scripts when it is opened in a browser."),
    "hidden": lazy_gettext("It is encrypted or packed, so that its content could not be checked."),
}
WARNINGS: Words = {
    "owners": lazy_gettext("They belong to different people or teams."),
    "birthdays": lazy_gettext("They have different birthdays."),
    "companies": lazy_gettext("They are with different companies."),
    "names": lazy_gettext("Their names have no word in common."),
}
LIKENESS: Words = {
    "address": lazy_pgettext("both", "same e-mail address"),
    "phone": lazy_pgettext("both", "same phone"),
    "name": lazy_pgettext("both", "same name"),
    "website": lazy_pgettext("both", "same website"),
    "domain": lazy_pgettext("both", "people write from the other's domain"),
}
OWED_WHAT: Words = {
    "contact": lazy_gettext("a client"),
    "task": lazy_gettext("a task"),
    "post": lazy_gettext("an entry of the history as a post"),
}
OWED: Words = {
    "in_scope": lazy_pgettext("owed", "the client belongs into this Outlook"),
    "left_scope": lazy_pgettext("owed", "the client no longer belongs into this Outlook"),
    "portal": lazy_pgettext("owed", "changed in the portal"),
    "command line": lazy_pgettext("owed", "changed by a command"),
    "mailbox": lazy_pgettext("owed", "changed in somebody's Outlook"),
    "outlook": lazy_pgettext("owed", "changed in somebody's Outlook"),
    "mail": lazy_pgettext("owed", "a mail told something new"),
    "suggestion": lazy_pgettext("owed", "a suggestion was accepted"),
    "conflict": lazy_pgettext("owed", "the other value of a conflict was taken"),
    "merge": lazy_pgettext("owed", "clients were merged"),
    "undo": lazy_pgettext("owed", "a run was undone"),
    "merged": lazy_pgettext("owed", "Outlook and the CRM have to be brought together"),
    "settled": lazy_pgettext("owed", "it is missing in Outlook"),
    "lacking": lazy_pgettext("owed", "it is missing in Outlook"),
    "history": lazy_pgettext("owed", "the history has changed"),
    "access": lazy_pgettext("owed", "who may read it has changed"),
    "time": lazy_pgettext("owed", "time has passed"),
    "withdrawn": lazy_pgettext("owed", "something became private"),
    "rules": lazy_pgettext("owed", "the rules of the mailbox were changed"),
    "put_back": lazy_pgettext("owed", "somebody put it back into Outlook"),
    "history_again": lazy_pgettext("owed", "somebody put the history back into the notes"),
    "retried": lazy_pgettext("owed", "somebody had it tried again"),
    "task_added": lazy_pgettext("owed", "the task is new"),
    "task_change": lazy_pgettext("owed", "the task was changed"),
    "task_assign": lazy_pgettext("owed", "somebody else is to do the task"),
    "task_done": lazy_pgettext("owed", "the task is done"),
    "task_reopen": lazy_pgettext("owed", "the task was opened again"),
    "task_cancel": lazy_pgettext("owed", "the task was cancelled"),
}
SIDES: Words = {
    "crm": lazy_pgettext("side", "Here"),
    "outlook": lazy_pgettext("side", "In Outlook"),
}
CONFLICT_RULES: Words = {
    "crm": lazy_gettext("the CRM wins"),
    "outlook": lazy_gettext("Outlook wins"),
    "latest": lazy_gettext("the later change wins"),
    "direction": lazy_gettext("the field does not come in from Outlook"),
}
ON_DELETE: Words = {
    "unlink": lazy_gettext("the client leaves the folder and nothing else"),
    "archive": lazy_gettext("the client is archived for everybody"),
}
SCOPES: Words = {
    "mine": lazy_pgettext("scope", "those of its owner"),
    "team": lazy_pgettext("scope", "those of the owner's team"),
    "region": lazy_pgettext("scope", "those of all teams of the region"),
}
CLIENTS: Words = {
    "on": lazy_pgettext("clients", "kept there, both ways"),
    "off": lazy_pgettext("clients", "nothing is written"),
    "remove": lazy_pgettext("clients", "taken out"),
}
DIRECTIONS: Words = {
    "both": lazy_pgettext("direction", "both ways"),
    "in": lazy_pgettext("direction", "only from Outlook"),
    "out": lazy_pgettext("direction", "only into Outlook"),
    "off": lazy_pgettext("direction", "left alone"),
}
OUTLOOK_RULES: Words = {
    "scope": lazy_gettext("Which clients"),
    "folder": lazy_gettext("Their folder"),
    "conflict": lazy_gettext("When both changed a field"),
    "on_delete": lazy_gettext("When a client is deleted there"),
    "history": lazy_gettext("Entries of the history in the notes"),
}
PLAN_STATES: Words = {
    "waits": lazy_pgettext("plan", "waits for a decision"),
    "open": lazy_pgettext("plan", "only looked at"),
    "approved": lazy_pgettext("plan", "approved"),
    "rejected": lazy_pgettext("plan", "rejected"),
    "done": lazy_pgettext("plan", "done"),
    "superseded": lazy_pgettext("plan", "out of date"),
}
PLAN_CAUSES: Words = {
    "brake": lazy_pgettext("plan", "a run was stopped"),
    "command": lazy_pgettext("plan", "made by a command"),
}
STEPS: Words = {
    "in_remove": lazy_pgettext("step", "gone from Outlook"),
    "in_change": lazy_pgettext("step", "changed in Outlook"),
    "in_create": lazy_pgettext("step", "new in Outlook"),
    "out_remove": lazy_pgettext("step", "to be removed from Outlook"),
    "out_change": lazy_pgettext("step", "to be changed in Outlook"),
    "out_create": lazy_pgettext("step", "to be added to Outlook"),
}
STEP_ACTS: Words = {
    "all": lazy_pgettext("steps", "All"),
    "remove": lazy_pgettext("steps", "Removals"),
    "change": lazy_pgettext("steps", "Changes"),
    "create": lazy_pgettext("steps", "New items"),
}
STEP_WHAT: Words = {
    "contact": lazy_pgettext("step", "a contact"),
    "company": lazy_pgettext("step", "a company"),
    "message": lazy_pgettext("step", "a mail"),
    "meeting": lazy_pgettext("step", "a meeting"),
    "task": lazy_pgettext("step", "a task"),
    "post": lazy_pgettext("step", "an entry of the history as a post"),
    "folder": lazy_pgettext("step", "a folder"),
}
STEP_RULES: Words = (
    RULES
    | OWED
    | {
        "written_into": lazy_pgettext("step", "what is written into this Outlook lies in it"),
        "left_folder": lazy_pgettext("step", "it is no longer in its folder"),
        "folder_gone": lazy_pgettext("step", "its folder is gone"),
        "private": lazy_pgettext("step", "it became private"),
        "category_removed": lazy_pgettext("step", "its tracking category was removed"),
        "adopted": lazy_pgettext("step", "its owner keeps the client in this Outlook"),
        "merged": lazy_pgettext("step", "the client was merged into another one"),
        "archived": lazy_pgettext("step", "the client is archived"),
        "forgotten": lazy_pgettext("step", "there is no such client any more"),
        "gone": lazy_pgettext("step", "there is no such task any more"),
        "cancelled": lazy_pgettext("step", "the task was cancelled"),
        "handed_on": lazy_pgettext("step", "somebody else is to do the task"),
        "other_company": lazy_pgettext("step", "the entry belongs to another company"),
        "posts": lazy_pgettext("step", "the history is kept as posts in this Outlook"),
    }
)
UNDO_KEPT: Words = {
    "changed": lazy_pgettext("kept", "it was changed since"),
    "by_hand": lazy_pgettext("kept", "somebody worked with it since"),
    "told": lazy_pgettext("kept", "another entry tells of the person, too"),
    "history": lazy_pgettext("kept", "there is history of it that came since"),
    "people": lazy_pgettext("kept", "people belong to it"),
    "merged": lazy_pgettext("kept", "it was merged with another one since"),
}
GROUPS = {
    "gap": GAPS,
    "undo_kept": UNDO_KEPT,
    "plan_state": PLAN_STATES,
    "plan_cause": PLAN_CAUSES,
    "step": STEPS,
    "step_act": STEP_ACTS,
    "step_what": STEP_WHAT,
    "step_rule": STEP_RULES,
    "owed": OWED,
    "owed_what": OWED_WHAT,
    "side": SIDES,
    "conflict_rule": CONFLICT_RULES,
    "on_delete": ON_DELETE,
    "scope": SCOPES,
    "clients": CLIENTS,
    "direction": DIRECTIONS,
    "outlook_rule": OUTLOOK_RULES,
    "source": SOURCES,
    "problem": PROBLEMS,
    "left_out": LEFT_OUT,
    "capture": CAPTURE,
    "detail": DETAIL,
    "create_contacts": CREATE_CONTACTS,
    "rule_name": RULE_NAMES,
    "danger": DANGERS,
    "danger_help": DANGER_HELP,
    "kind": KINDS,
    "stream": STREAMS,
    "state": STATES,
    "trouble": TROUBLES,
    "outcome": OUTCOMES,
    "role": ROLES,
    "part": PART,
    "response": RESPONSES,
    "match": MATCHES,
    "topic": TOPICS,
    "same_item": SAME_ITEM,
    "rule": RULES,
    "reason": REASONS,
    "sharing": SHARING,
    "warning": WARNINGS,
    "likeness": LIKENESS,
    "importance": IMPORTANCE,
    "label": LABELS,
    "field": FIELDS,
}


def init(app: Flask) -> None:
    """Give the templates the filter `code|word(group)`."""
    app.jinja_env.filters["word"] = _word


@pass_context
def _word(_: Context, code: str | int, group: str) -> str:
    """`word`, told each time: of what needs no context Jinja would keep the word of whoever read the page first."""
    return word(code, group)


def word(code: str | int, group: str) -> str:
    """The word for a code in the reader's language; a code that has none stays as it is."""
    return str(GROUPS[group].get(str(code), code))
