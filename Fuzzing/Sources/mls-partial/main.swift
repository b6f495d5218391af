import FuzzShell
import FuzzTargets

fuzz(.mlsPartial)
