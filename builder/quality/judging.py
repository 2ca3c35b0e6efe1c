"""Quality control as a plan states it: thresholds, and an ordered list of named rules."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from builder import plugins
from builder.quality.figures import Figures
from builder.quality.rules import RULES, Attributes, Rule, Verdict
from builder.quality.thresholds import Thresholds
from ld_portrait_20k.errors import PortraitError
from refinement import Report

OPTION = "--quality-rule"


@dataclass(frozen=True, slots=True)
class AddedRule:
    """A rule of the user's or of another package, run after this project's.

    Attributes:
        path: ``package.module:name``.
        version: The function's attribute ``version``, else its module's ``__version__``,
            else ``"0"``: a rule that judges otherwise must say so, for it decides bytes.
        rule: The rule itself.
    """

    path: str
    version: str
    rule: Rule

    @classmethod
    def load(cls, path: str) -> AddedRule:
        """Import a rule.

        Raises:
            PortraitError: It cannot be imported, or cannot be called.
        """
        rule = plugins.load(path, OPTION)
        if not callable(rule):
            raise PortraitError(f"{OPTION} {path}: is no function")
        module = sys.modules[path.partition(":")[0]]
        version = getattr(rule, "version", getattr(module, "__version__", "0"))
        return cls(path, str(version), rule)


@dataclass(frozen=True, slots=True)
class QualityControl:
    """Judges samples: this project's rules first, then those that a user added.

    Attributes:
        thresholds: What the rules compare figures with.
        added: Further rules, in the order in which they are asked.
    """

    thresholds: Thresholds = field(default_factory=Thresholds)
    added: tuple[AddedRule, ...] = ()

    @classmethod
    def from_names(cls, thresholds: Thresholds, names: Sequence[str]) -> QualityControl:
        """Quality control with further rules.

        Args:
            thresholds: The thresholds.
            names: Names of installed rules, or ``package.module:name``.

        Raises:
            PortraitError: No such rule, or one that cannot be imported.
        """
        known = plugins.installed(plugins.QUALITY_RULE_GROUP) if names else {}
        added = []
        for name in names:
            if name not in known and not plugins.is_path(name):
                listed = ", ".join(sorted(known)) or "none"
                raise PortraitError(
                    f"{OPTION} {name!r}: no such rule; installed: {listed}; "
                    "try: package.module:name"
                )
            added.append(AddedRule.load(known.get(name, name)))
        return cls(thresholds, tuple(added))

    @classmethod
    def from_plan(cls, section: Mapping[str, Any]) -> QualityControl:
        """Quality control as a plan's header states it (see :meth:`to_dict`).

        Raises:
            PortraitError: A rule that cannot be imported here, or has another version here.
        """
        added = []
        for entry in section["added_rules"]:
            rule = AddedRule.load(entry["path"])
            if rule.version != entry["version"]:
                raise PortraitError(
                    f"quality rule {rule.path}: version {rule.version} here, the plan was made "
                    f"with {entry['version']}; try: install that version"
                )
            added.append(rule)
        return cls(Thresholds(**section["thresholds"]), tuple(added))

    def to_dict(self) -> dict[str, Any]:
        """The ``quality`` section of a plan's header."""
        return {
            "thresholds": self.thresholds.to_dict(),
            "rules": list(RULES),
            "added_rules": [{"path": rule.path, "version": rule.version} for rule in self.added],
        }

    def judge(self, figures: Figures, report: Report, attributes: Attributes) -> Verdict:
        """Accept or reject a refined sample.

        Args:
            figures: What was measured.
            report: What refinement did and holds against the matte.
            attributes: The sample's attributes; ``framing`` says whether the body must be
                cut by the lower border. Empty where nothing is known.

        Raises:
            PortraitError: An added rule failed, or gave neither a verdict nor None.
        """
        for rule in RULES.values():
            verdict = rule(figures, report, attributes, self.thresholds)
            if verdict is not None:
                return verdict
        for added in self.added:
            verdict = self._ask(added, figures, report, attributes)
            if verdict is not None and not verdict.accepted:
                return verdict
        return Verdict(None)

    def _ask(
        self, added: AddedRule, figures: Figures, report: Report, attributes: Attributes
    ) -> Verdict | None:
        try:
            verdict = added.rule(figures, report, attributes, self.thresholds)
        except Exception as problem:
            raise PortraitError(
                f"quality rule {added.path}: failed ({type(problem).__name__}: {problem})"
            ) from problem
        if verdict is not None and not isinstance(verdict, Verdict):
            raise PortraitError(
                f"quality rule {added.path}: gave {type(verdict).__name__}; "
                "try: return a Verdict, or None where the sample is fine"
            )
        return verdict
