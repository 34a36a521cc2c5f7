"""Reads a note: its title, how long it takes to read, where it points to, and when it is due."""
import datetime
import re

from freshet_worker import serve

WORDS_PER_MINUTE = 200


def read_note(path, text):
    title = re.search(r"^# (.+)$", text or "", re.M)
    if title is None:
        raise ValueError(f"{path} has no title: its first line should begin with '# '")
    words = len(re.findall(r"\w+", text))
    due = re.search(r"due (\d{4}-\d{2}-\d{2})", text)
    return {
        "title": title[1].strip(),
        "words": words,
        "minutes": round(words / WORDS_PER_MINUTE, 2),
        "links": re.findall(r"\]\(([^)]+)\)", text),
        "due": datetime.date.fromisoformat(due[1]) if due else None,
    }


serve(read_note)
