import FuzzShell
import FuzzTargets

fuzz(.mailboxEngine)
