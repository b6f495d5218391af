import FuzzShell
import FuzzTargets

fuzz(.byteReader)
