public import FuzzTargets
import Glibc
import LibFuzzer
import Synchronization

/// Hands a target to libFuzzer, with the arguments of this process, until libFuzzer ends it.
public func fuzz(_ target: FuzzTarget) -> Never {
  chosen.withLock { $0 = target }
  var count = CommandLine.argc
  // The process's own arguments, which live as long as it does.
  var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = unsafe CommandLine.unsafeArgv
  exit(unsafe LLVMFuzzerRunDriver(&count, &arguments, runOneInput))
}

private let chosen = Mutex<FuzzTarget?>(nil)

/// The name is libFuzzer's: its own main function, which is linked and never called, asks for it.
@_cdecl("LLVMFuzzerTestOneInput")
public func runOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  guard let target = chosen.withLock({ $0 }) else { preconditionFailure("libFuzzer runs only after a target was chosen") }
  // libFuzzer's buffer, valid until this returns.
  let input = unsafe Array(UnsafeBufferPointer(start: data, count: count))
  do {
    try target.check(input)
  } catch {
    // A crash is what libFuzzer keeps an input for.
    fatalError(error.description)
  }
  return 0
}
