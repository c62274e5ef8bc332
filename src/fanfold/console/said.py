"""What a page tells after something was done, by name: the address carries the name only, so that no link can put its
own words into our pages."""

from __future__ import annotations

SAID = {
    "draft": "The draft is saved. Nothing runs until you start it.",
    "started": "The job has started.",
    "aborted": "The job was aborted; nothing of it runs any more.",
    "deleted": "It was deleted.",
    "paused": "Paused: running tasks finish, no new ones start.",
    "resumed": "The job goes on.",
    "retried": "A new round has begun: what finished is kept, the rest is run again.",
    "renamed": "The new name is saved.",
    "limits": "The new limits hold from now on.",
    "saved": "Saved.",
    "revoked": "The key is void from now on, and every session that it opened.",
    "activated": "New jobs can use it now.",
    "deactivated": "New jobs cannot use it any more; running ones go on.",
    "published": "Other accounts can import it now.",
    "unpublished": "It is yours alone again; what others imported stays with them.",
    "imported": "It was imported.",
    "pushed": "The block is stored. It is inactive until you activate it.",
    "granted": "The block gets the secret from its next task on.",
    "withdrawn": "The block gets the secret no more.",
    "uploaded": "The file is stored.",
    "disabled": "It is disabled from now on.",
    "enabled": "It is enabled again.",
    "signed-out": "You are signed out.",
    "redeemed": "The coupon is credited.",
}
