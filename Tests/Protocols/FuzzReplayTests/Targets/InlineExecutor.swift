import Synchronization

/// Runs asynchronous code on the calling thread to its end, one job after the other: the same order in every run, and no
/// other thread for a fuzzer to lose sight of.
final class InlineExecutor: TaskExecutor {
  private let jobs = Mutex<[UnownedJob]>([])

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    jobs.withLock { $0.append(job) }
  }

  /// - Throws: when the code waits for something that does not come from itself.
  func run<Value: Sendable>(_ body: @escaping @Sendable () async -> Value) throws(BrokenProperty) -> Value {
    let result = Slot<Value>()
    _ = Task(executorPreference: self) {
      let value = await body()
      result.value.withLock { $0 = value }
    }
    drain()
    guard let value = result.value.withLock({ $0 }) else { throw BrokenProperty("a call never ends") }
    return value
  }

  /// Runs what waits, and what comes of it.
  ///
  /// - Returns: whether anything did.
  @discardableResult func drain() -> Bool {
    var hasRun = false
    while let job = jobs.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) {
      // The executor outlives its jobs: this call holds it.
      unsafe job.runSynchronously(on: asUnownedTaskExecutor())
      hasRun = true
    }
    return hasRun
  }
}

/// Where a task leaves its result.
private final class Slot<Value: Sendable>: Sendable {
  let value = Mutex<Value?>(nil)
}
