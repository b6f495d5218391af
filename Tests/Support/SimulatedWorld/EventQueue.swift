/// Something that is to happen at a moment, and moments in their order; of two things at one moment the one that was planned first comes first.
struct EventQueue<Event> {
  private struct Item {
    let time: UInt64
    let number: UInt64
    let event: Event

    func precedes(_ other: Item) -> Bool { (time, number) < (other.time, other.number) }
  }

  /// A binary heap, the earliest at the root.
  private var items: [Item] = []
  private var lastNumber: UInt64 = 0

  /// When the next event is; nil when there is none.
  var nextTime: UInt64? { items.first?.time }

  mutating func add(_ event: Event, at time: UInt64) {
    lastNumber += 1
    items.append(Item(time: time, number: lastNumber, event: event))
    var child = items.count - 1
    while child > 0, items[child].precedes(items[(child - 1) / 2]) {
      items.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func next() -> (time: UInt64, event: Event)? {
    guard let last = items.popLast() else { return nil }
    guard let first = items.first else { return (last.time, last.event) }
    items[0] = last
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < items.count && items[child].precedes(items[least]) { least = child }
      if least == parent { break }
      items.swapAt(parent, least)
      parent = least
    }
    return (first.time, first.event)
  }
}
