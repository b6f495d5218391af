import AllocationCounter

/// What a call does to the heap of its thread.
enum Heap {
  struct Use<Value> {
    let value: Value
    /// Calls of the allocator.
    let allocations: Int
    /// Of the value, which nothing shared with others before; in bytes, with the allocator's overhead.
    let liveBytes: Int
  }

  /// Measures one call. Whatever runs once in a process, such as looking up a type, has to have run before.
  static func measure<Value>(_ body: () throws -> Value) rethrows -> Use<Value> {
    _ = try body()
    let (count, bytes) = (allocation_count(), live_heap_bytes())
    let value = try body()
    return Use(value: value, allocations: Int(allocation_count() - count), liveBytes: Int(live_heap_bytes() - bytes))
  }
}
