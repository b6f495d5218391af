import FuzzShell
import FuzzTargets

fuzz(.mlsStructures)
