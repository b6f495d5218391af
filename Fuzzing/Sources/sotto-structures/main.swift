import FuzzShell
import FuzzTargets

fuzz(.sottoStructures)
