import FuzzShell
import FuzzTargets

fuzz(.clientNetwork)
