"""``path``: where the working folder lies."""

from runtime.data import replace
from runtime.factors.carriers import ENGINES, EVERY
from runtime.factors.factor import Factor
from runtime.factors.questions import Answers
from runtime.plan import MOVED, Bind, File, Plan, RootFilesystem

_BLANKS = "/opt/app dir (x)"
_PLAIN = "/opt/app-dir-x"


class PathFactor(Factor):
    """The path of the working folder: scripts that do not quote break on blanks."""

    name = "path"
    default = "as-is"
    control = "elsewhere"
    levels = {
        "as-is": "where the spec puts it",
        "blanks and brackets": f"also seen, and entered, at '{_BLANKS}'",
        "elsewhere": f"also seen, and entered, at '{_PLAIN}' (null control)",
    }
    names = (
        "glob rglob getcwd cwd resolve abspath relpath relative_to as_uri url2pathname pathname2url system quote "
        "fnmatch __file__ fork_exec shlex"
    )
    signs = "runs /bin/sh; runs /usr/bin/sh; variable PWD; starts process"

    def apply(self, plan: Plan, level: str) -> Plan:
        """Bind the working folder to the second path, and start there."""
        match level:
            case "as-is":
                return plan
            case "blanks and brackets":
                return self._move(plan, _BLANKS)
            case "elsewhere":
                return self._move(plan, _PLAIN)
            case _:
                raise self.unknown(level)

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """The working folder, as the kernel knows it."""
        return ("folder",)

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Say it."""
        return answers.text("folder")

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """It is the plan's."""
        return found == plan.workdir

    def carriers(self, level: str) -> frozenset[str]:
        """An engine cannot show one folder of an image at a second place."""
        return EVERY if level == self.default else EVERY - ENGINES

    @staticmethod
    def _move(plan: Plan, path: str) -> Plan:
        if plan.workdir == "/":
            return plan
        writable = plan.root_filesystem == RootFilesystem.WRITABLE
        second = Bind(source=plan.workdir, path=path, writable=writable)
        origin = File(path=MOVED, content=plan.workdir.encode())
        return replace(plan, binds=(*plan.binds, second), files=(*plan.files, origin), workdir=path)
