import MailboxEngine
import SottoProtocol

/// What waits in one mailbox: in memory only. On disk stand the cells, and nothing tells which are of one mailbox.
struct Queue: Sendable {
  struct Item: Sendable {
    var sequence: UInt64
    var expires: UInt32
    /// The first of the slots in that day in which its cells lie.
    var slot: UInt32
    var byteCount: UInt32
    /// The disk has changed its cells. It is passed over, and deleted like the others.
    var isUnreadable = false

    /// The content of an item's cells: the sequence and the sealed envelope.
    static func contentByteCount(_ byteCount: Int) -> Int { 8 + byteCount }

    var cellCount: Int { CellRows.cellCount(contentByteCount: Self.contentByteCount(Int(byteCount))) }
    var day: Day { Day(number: expires) }
    /// The numbers of its cells.
    func numbers(_ numbers: inout SlotNumbers) -> [Int64] {
      (0..<cellCount).map { numbers.number(day, UInt64(slot) + UInt64($0)) }
    }
  }

  /// In the order of their sequences.
  private(set) var items: [Item] = []
  private(set) var byteCount = 0
  /// Cells that do not open, and that no item is made of.
  var unreadableCount = 0
  /// For each day the first slot that was never used, as far as that matters.
  private var nextSlots: [UInt32: UInt64] = [:]

  mutating func add(_ item: Item) {
    items.append(item)
    byteCount += Int(item.byteCount)
  }

  mutating func sort() { items.sort { $0.sequence < $1.sequence } }

  func nextSlot(_ day: Day) -> UInt64 { nextSlots[day.number, default: 0] }

  mutating func setNextSlot(_ day: Day, _ slot: UInt64) { nextSlots[day.number] = slot }

  /// The readable items behind a sequence that a page has room for.
  func page(after sequence: UInt64, _ limit: PageLimit, today: Day) -> [Item] {
    var page: [Item] = []
    var byteCount = 0
    for item in items[firstIndex(after: sequence)...] where item.expires > today.number && !item.isUnreadable {
      byteCount += Int(item.byteCount)
      guard page.count < limit.count, page.isEmpty || byteCount <= limit.byteCount else { break }
      page.append(item)
    }
    return page
  }

  /// Notes that the item with this sequence cannot be read.
  ///
  /// - Returns: whether that is new; not for an item that is not here any more.
  mutating func markUnreadable(_ sequence: UInt64) -> Bool {
    guard sequence > 0 else { return false }
    let index = firstIndex(after: sequence - 1)
    guard index < items.count, items[index].sequence == sequence, !items[index].isUnreadable else { return false }
    items[index].isUnreadable = true
    return true
  }

  /// Takes out what has a sequence up to this one.
  mutating func remove(through sequence: UInt64) -> [Item] {
    let count = firstIndex(after: sequence)
    let removed = Array(items.prefix(count))
    items.removeFirst(count)
    byteCount -= removed.reduce(0) { $0 + Int($1.byteCount) }
    return removed
  }

  mutating func removeExpired(today: Day) {
    items.removeAll { $0.expires <= today.number }
    byteCount = items.reduce(0) { $0 + Int($1.byteCount) }
    nextSlots = nextSlots.filter { $0.key > today.number }
  }

  private func firstIndex(after sequence: UInt64) -> Int {
    var (low, high) = (0, items.count)
    while low < high {
      let middle = (low + high) / 2
      if items[middle].sequence <= sequence { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

/// The numbers of a mailbox's slots, four of which come from one HMAC.
struct SlotNumbers {
  private let keys: RowKeys
  private var block: (day: UInt32, index: UInt64, numbers: [UInt64])?

  init(_ keys: RowKeys) { self.keys = keys }

  mutating func number(_ day: Day, _ slot: UInt64) -> Int64 {
    let index = slot / 4
    if block?.day != day.number || block?.index != index {
      block = (day.number, index, keys.numbers(.envelope, day: day.number, index: index))
    }
    return CellRows.number(day, block?.numbers[Int(slot % 4)] ?? 0)
  }
}
