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

/// The median of the time that one call takes, in nanoseconds.
///
/// - Parameters:
///   - samples: how often the clock is read; one sample more runs first and is not counted.
///   - calls: calls between two readings, for what takes less than a reading is worth.
func median(samples: Int = 15, calls: Int = 1, _ body: () throws -> Void) rethrows -> Double {
  var times: [Double] = []
  for sample in 0...samples {
    let start = threadNanoseconds()
    for _ in 0..<calls { try body() }
    let time = (threadNanoseconds() - start) / Double(calls)
    if sample > 0 { times.append(time) }
  }
  return times.sorted()[times.count / 2]
}

/// The time of one call, in nanoseconds, and its result.
func once<Result>(_ body: () throws -> Result) rethrows -> (time: Double, result: Result) {
  let start = threadNanoseconds()
  let result = try body()
  return (threadNanoseconds() - start, result)
}

/// Keeps the optimiser from leaving out a call whose result nobody uses.
@inline(never)
func keep<Value>(_ value: Value) {}
