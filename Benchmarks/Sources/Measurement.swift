import Glibc

/// CPU time of the calling thread, in nanoseconds: what others do on the machine does not count.
func threadNanoseconds() -> Double { nanoseconds(CLOCK_THREAD_CPUTIME_ID) }

/// CPU time of all threads, for code that runs on several.
func processNanoseconds() -> Double { nanoseconds(CLOCK_PROCESS_CPUTIME_ID) }

/// Time that passes, for what waits for a disk.
func wallNanoseconds() -> Double { nanoseconds(CLOCK_MONOTONIC) }

private func nanoseconds(_ clock: clockid_t) -> Double {
  var time = timespec()
  // Fails for an unknown clock only, and writes into a variable of this frame.
  unsafe clock_gettime(clock, &time)
  return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
}

/// The shortest time that one call takes, in nanoseconds, of several samples: whatever shares the processor can only make
/// one longer.
///
/// - Parameters:
///   - samples: how often the clock is read, after a warm-up that is not counted.
///   - calls: calls between two readings; nil for as many as fill a millisecond.
func best(samples: Int = 25, calls: Int? = nil, _ body: () throws -> Void) rethrows -> Double {
  func sample(_ count: Int) throws -> Double {
    let start = threadNanoseconds()
    for _ in 0..<count { try body() }
    return (threadNanoseconds() - start) / Double(count)
  }
  // Caches, the branch predictor and the processor's clock take some milliseconds to settle.
  let start = threadNanoseconds()
  var warm = try sample(calls ?? 1)
  if calls == nil {
    while threadNanoseconds() - start < 5e6 { warm = try sample(1) }
  }
  let count = calls ?? max(1, Int(1e6 / warm))
  var shortest = Double.infinity
  for _ in 0..<samples { shortest = min(shortest, try sample(count)) }
  return shortest
}

/// The time of one call, in nanoseconds.
func once(_ body: () throws -> Void) rethrows -> Double {
  let start = threadNanoseconds()
  try body()
  return threadNanoseconds() - start
}

/// Keeps the optimiser from leaving out a call whose result nobody uses.
@inline(never)
func keep<Value>(_ value: Value) {}
