"""``python -m builder generators``: what can be built with, this package's and installed."""

from __future__ import annotations

import argparse
from typing import Any

from ld_portrait_20k.common.printable import say


def add_parser(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "generators",
        help="list the generators and quality rules that are there",
        description="List this package's generators and rules of quality control, and those "
        "of installed packages (entry points ld_portrait_20k.generators and "
        "ld_portrait_20k.quality_rules). Options of the latter go to --generator-option. One of "
        "your own needs no installation: --generator package.module:Name.",
        epilog="how to write one: builder/generation/README.md",
    )
    from builder.cli.options import add_json

    add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the lists; one that cannot be imported is listed with the reason."""
    from builder import plugins
    from builder.files import canonical_json

    found = {"generators": _generators(), "quality_rules": _rules()}
    if options.json:
        say(canonical_json(found))
        return 0
    for item in found["generators"]:
        path = f" ({item['import']})" if item["import"] else ""
        say(f"{item['name']:16} {item['summary']}{path}")
        for name, form in item["options"].items():
            say(f"{'':16}   {name}: {form}")
    say("quality rules:")
    for item in found["quality_rules"]:
        path = f" ({item['import']})" if item["import"] else ""
        say(f"{item['name']:16} {item['summary']}{path}")
    say(f"entry points of packages: {plugins.GENERATOR_GROUP}, {plugins.QUALITY_RULE_GROUP}")
    return 0


def _generators() -> list[dict[str, Any]]:
    from builder import plugins
    from builder.generation.added import AddedEntry
    from builder.generation.built_in import BUILT_IN
    from builder.generation.registry import entry_named
    from ld_portrait_20k.errors import PortraitError

    found: list[dict[str, Any]] = [
        {"name": entry.name, "summary": entry.summary, "import": None, "options": {}}
        for entry in BUILT_IN.values()
    ]
    for name, path in plugins.installed(plugins.GENERATOR_GROUP).items():
        item: dict[str, Any] = {"name": name, "import": path, "options": {}}
        try:
            entry = entry_named(name)
            item["summary"] = entry.summary
            if isinstance(entry, AddedEntry):
                item["options"] = entry.options()
        except PortraitError as problem:
            item["summary"] = str(problem)
        found.append(item)
    return found


def _rules() -> list[dict[str, Any]]:
    from builder import plugins
    from builder.quality.judging import AddedRule
    from builder.quality.rules import RULES
    from ld_portrait_20k.errors import PortraitError

    found = [
        {"name": name, "summary": _first_line(rule), "import": None} for name, rule in RULES.items()
    ]
    for name, path in plugins.installed(plugins.QUALITY_RULE_GROUP).items():
        try:
            summary = _first_line(AddedRule.load(path).rule)
        except PortraitError as problem:
            summary = str(problem)
        found.append({"name": name, "summary": summary, "import": path})
    return found


def _first_line(rule: object) -> str:
    return (rule.__doc__ or "").strip().partition("\n")[0]
