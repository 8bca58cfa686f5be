"""JUnit XML, the format in which CI systems show tests."""

from __future__ import annotations

from xml.etree import ElementTree

from denoisebench.text import one_line


class JunitSuite:
    """Build one suite of test cases.

    Args:
        name: the suite's name.

    Examples:
        >>> suite = JunitSuite("bench run")
        >>> suite.add("bm3d cpu sigma 25", "cpu", "failure", "timeout")
        >>> print(suite.xml().splitlines()[2].strip())
        <testsuite name="bench run" tests="1" failures="1" errors="0" skipped="0">
    """

    def __init__(self, name: str) -> None:
        self._suite = ElementTree.Element("testsuite", name=name)

    def add(
        self,
        name: str,
        device: str,
        kind: str = "",
        message: str = "",
        details: str = "",
        seconds: float | None = None,
    ) -> None:
        """Add a case.

        Args:
            name: the case's name.
            device: ``cpu`` or ``cuda``; it stands in the case's class.
            kind: ``failure``, ``error`` or ``skipped``; empty for a case that passed.
            message: one line that explains the kind.
            details: a longer text; empty for the message again, since some viewers show one and
                some the other.
            seconds: the case's time; None where none was measured.
        """
        where = f"denoisebench.{device}"
        case = ElementTree.SubElement(self._suite, "testcase", name=one_line(name), classname=where)
        if seconds is not None:
            case.set("time", f"{seconds:.6f}")
        if kind:
            outcome = ElementTree.SubElement(case, kind, message=one_line(message))
            outcome.text = one_line(details or message)

    def xml(self) -> str:
        """Return the file's text."""
        cases = self._suite.findall("testcase")
        self._suite.set("tests", str(len(cases)))
        for kind, total in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            self._suite.set(total, str(sum(case.find(kind) is not None for case in cases)))
        root = ElementTree.Element("testsuites")
        root.append(self._suite)
        ElementTree.indent(root)
        return ElementTree.tostring(root, "unicode", xml_declaration=True) + "\n"
