#!/usr/bin/env python3
"""Writes docs/conformance.md: which tests stand for which rule of docs/rules.txt.

--check writes nothing and fails when the page is stale, when a rule has neither a test nor a
stated reason, or when a test names a rule that is not in the list.
"""

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT / "docs" / "rules.txt"
PAGE = ROOT / "docs" / "conformance.md"
RULE = re.compile(r"\b(?:B\d+\.\d+|[IT]\d+)\b")

INTRODUCTION = """\
# Conformance

What the module has to keep to, and the tests that hold it to that.
`tools/conformance.py` writes this page from `docs/rules.txt` and from the rules that tests name; with `--check` it fails when the page is stale.

- `b…`, `bad_input` and other names of files: conversations in `test/transcripts`, played against the core.
- `…_SUITE`: real clients, a real ejabberd and real rooms, in `test` and `clients`.
- `model`: what holds after every step of random histories, in `native/minimix/tests/model`.
- Other tests of Rust are named by their module.
"""


@dataclass
class Rule:
    name: str
    sections: str
    asks: str
    later: str
    tests: dict[str, list[str]] = field(default_factory=dict)


def read_rules():
    """Rules by their names, and the headings before which rules they stand."""
    rules, headings = {}, {}
    heading = None
    for number, line in enumerate(RULES.read_text().splitlines(), 1):
        if line.startswith("## "):
            heading = line[3:]
        elif line and not line.startswith("#"):
            name, sections, asks, *later = (part.strip() for part in line.split("|"))
            if name in rules or not RULE.fullmatch(name) or len(later) > 1:
                sys.exit(f"{RULES.name}:{number}: not one new rule: {line}")
            reason = later[0].removeprefix("later:").strip() if later else ""
            rules[name] = Rule(name, sections, asks, reason)
            if heading:
                headings[name], heading = heading, None
    return rules, headings


def transcripts():
    for path in sorted((ROOT / "test" / "transcripts").glob("*.txt")):
        title = None
        for line in path.read_text().splitlines():
            if line.startswith("== "):
                title = line[3:]
            elif title and line:
                yield path.stem, title, RULE.findall(line)
                title = None


def after_comments(path, comment, definition, needs=None):
    """Definitions with the rules of the comment right above them."""
    rules, is_test = [], needs is None
    for line in path.read_text().splitlines():
        stripped = line.strip()
        if stripped.startswith(comment):
            rules += RULE.findall(stripped)
        elif needs and stripped.startswith("#["):
            is_test = is_test or needs in stripped
        else:
            found = definition.match(line)
            if found and rules and is_test:
                yield found.group(1), rules
            rules, is_test = [], needs is None


def suites():
    case = re.compile(r"([a-z]\w*)\(")
    for path in sorted(path for folder in ("test", "clients") for path in (ROOT / folder).glob("*_SUITE.erl")):
        for name, rules in after_comments(path, "%", case):
            yield path.stem, in_words(name), rules
    for path in sorted((ROOT / "test" / "equivalence").glob("*.erl")):
        for name, rules in after_comments(path, "%", case):
            yield "equivalence_SUITE", in_words(name), rules


def rust():
    case = re.compile(r"\s*(?:async )?fn (\w+)\(")
    claim = re.compile(r'"((?:(?:B\d+\.\d+|[IT]\d+)/?)+): ([^"{}:]+)')
    for path in sorted((ROOT / "native").glob("**/*.rs")):
        parts = path.relative_to(ROOT / "native").parts
        if "transcripts" in parts:
            continue
        where = parts[2] if parts[1] == "tests" else f"{parts[0]}::{path.stem}"
        for name, rules in after_comments(path, "//", case, needs="test"):
            yield where.removesuffix(".rs"), in_words(name), rules
        if parts[1] == "tests":
            for tags, what in claim.findall(path.read_text()):
                yield where, what.strip(" ,"), RULE.findall(tags)


def in_words(name):
    return name.replace("_", " ").capitalize()


def collect(rules):
    """Adds the tests to their rules; what names no rule is returned."""
    strange = []
    for where, title, named in [*transcripts(), *suites(), *rust()]:
        for name in dict.fromkeys(named):
            if name not in rules:
                strange.append(f"{where}: {title}: there is no rule {name}")
                continue
            titles = rules[name].tests.setdefault(where, [])
            if title not in titles:
                titles.append(title)
    return strange


def page(rules, headings):
    lines = INTRODUCTION.splitlines()
    for rule in rules.values():
        if rule.name in headings:
            lines += ["", f"## {headings[rule.name]}", "", "| rule | asks | tests |", "|---|---|---|"]
        sections = "" if rule.sections == "-" else f" ({rule.sections})"
        tests = "<br>".join(
            f"**{where}** {cell('; '.join(titles))}" for where, titles in rule.tests.items()
        )
        lines.append(f"| {rule.name} | {cell(rule.asks)}{sections} | {tests or f'*not yet: {rule.later}*'} |")
    return "\n".join(lines) + "\n"


def cell(text):
    return text.replace("|", "\\|").replace("<", "&lt;")


def main():
    rules, headings = read_rules()
    wrong = collect(rules)
    wrong += [
        f"{rule.name} has neither a test nor a reason: {rule.asks}"
        for rule in rules.values()
        if not rule.tests and not rule.later
    ]
    wrong += [
        f"{rule.name} has a test and a reason to have none: {rule.later}"
        for rule in rules.values()
        if rule.tests and rule.later
    ]
    text = page(rules, headings)
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text)
    elif not PAGE.exists() or PAGE.read_text() != text:
        wrong.append(f"{PAGE.relative_to(ROOT)} is stale: run tools/conformance.py")
    for line in wrong:
        print(line, file=sys.stderr)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
