/// What waits to be done many at a time, by a few who each come back for more until nothing waits. Its owner guards it.
struct BatchLine<Item> {
  /// Items that are done together.
  let batchCount: Int
  /// Batches under way at the same time.
  let laneCount: Int
  private(set) var waiting: [Item] = []
  private var busyLaneCount = 0

  init(batchCount: Int, laneCount: Int) {
    self.batchCount = batchCount
    self.laneCount = laneCount
  }

  /// - Returns: whether somebody has to come for it: all who are under way have taken theirs.
  mutating func add(_ item: Item) -> Bool {
    waiting.append(item)
    guard busyLaneCount < laneCount else { return false }
    busyLaneCount += 1
    return true
  }

  mutating func takeBatch() -> [Item] {
    let batch = Array(waiting.prefix(batchCount))
    waiting.removeFirst(batch.count)
    return batch
  }

  /// A batch is done.
  ///
  /// - Returns: whether who did it has to come back.
  mutating func endBatch() -> Bool {
    if waiting.isEmpty { busyLaneCount -= 1 }
    return !waiting.isEmpty
  }
}
