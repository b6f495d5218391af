import FuzzShell
import FuzzTargets

fuzz(.mlsGroup)
