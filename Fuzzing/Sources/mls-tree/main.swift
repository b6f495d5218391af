import FuzzShell
import FuzzTargets

fuzz(.mlsTree)
