import FuzzShell
import FuzzTargets

fuzz(.serverNetwork)
