import Foundation
import GRDB
import MailboxEngine
import SottoProtocol
import WireFormat

/// Envelopes that wait.
///
/// The cells of a mailbox lie in slots, which are counted anew for each day of expiry and whose numbers only its key gives.
/// They are written in order and deleted in order, so those of a day lie side by side. Every 32nd slot is marked: when its cell
/// is deleted, an empty row stays until the day, and shows that the slots up to it were used. So a queue is found again by looking
/// up a few dozen numbers a day, and no row says how long it is.
struct EnvelopeRows {
  private static let markDistance: UInt64 = 32
  /// Empty slots behind which nothing is looked for: the number of a slot may have been taken by another mailbox.
  private static let gapCount = 4

  private let cells: CellRows
  private let cache: QueueCache
  private let place: StoredPlace
  private let keys: RowKeys

  init(_ db: Database, _ cache: QueueCache, _ place: StoredPlace, _ keys: RowKeys) {
    cells = CellRows(db, .envelopes)
    self.cache = cache
    self.place = place
    self.keys = keys
  }

  // MARK: Finding

  /// Reads from its cells what waits.
  func load() throws -> Queue {
    var queue = Queue()
    for day in try cells.days() { try load(day, into: &queue) }
    queue.sort()
    return queue
  }

  private func load(_ day: Day, into queue: inout Queue) throws {
    var numbers = SlotNumbers(keys)
    guard let extent = try extent(day, &numbers) else { return }
    var slot = extent.lowerBound
    var next = slot
    var gap = 0
    while slot < extent.upperBound || gap < Self.gapCount {
      let batch = (0..<UInt64(CellRows.batchCount)).map { slot + $0 }
      let found = try cells.rows(at: batch.map { numbers.number(day, $0) })
      var skipTo = slot
      for candidate in batch where candidate < extent.upperBound || gap < Self.gapCount {
        slot = candidate + 1
        if candidate < skipTo { continue }
        let number = numbers.number(day, candidate)
        guard let sealed = found[number] else {
          gap += 1
          continue
        }
        gap = 0
        next = slot
        if sealed.isEmpty { continue }
        guard let cell = cells.open(sealed, at: number, keys) else {
          queue.unreadableCount += 1
          continue
        }
        guard let (byteCount, content) = CellRows.head(cell), let sequence = Self.sequence(content) else { continue }
        let item = Queue.Item(
          sequence: sequence, expires: day.number, slot: UInt32(clamping: candidate), byteCount: UInt32(clamping: byteCount - 8))
        skipTo = candidate + UInt64(item.cellCount)
        next = max(next, skipTo)
        if !cache.isDeleted(number) { queue.add(item) }
      }
      if skipTo > slot { slot = skipTo }
    }
    queue.setNextSlot(day, next)
  }

  /// The slots in which cells may lie, those behind the last mark at most one block further; nil when a day has none.
  private func extent(_ day: Day, _ numbers: inout SlotNumbers) throws -> Range<UInt64>? {
    var first: UInt64?
    var last: UInt64 = 0
    var mark: UInt64 = 0
    while true {
      let marks = (0..<8).map { (mark + $0) * Self.markDistance }
      let found = try cells.rows(at: marks.map { numbers.number(day, $0) })
      for slot in marks {
        guard let sealed = found[numbers.number(day, slot)] else { continue }
        // An empty row: everything before it is gone, and so is its own slot.
        if sealed.isEmpty { first = slot + 1 } else if first == nil { first = 0 }
        last = slot
      }
      mark += 8
      // Two marks without a row are the end; one may have been another mailbox's, and is gone with it.
      if last + 2 * Self.markDistance < mark * Self.markDistance { return first.map { $0..<last + Self.markDistance } }
    }
  }

  private static func sequence(_ content: [UInt8]) -> UInt64? {
    guard content.count >= 8 else { return nil }
    return content.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
  }

  // MARK: Reading

  /// What reading an item comes to.
  enum Reading {
    case envelope(StoredEnvelope)
    /// Its cells are not there yet, or no more.
    case notYet
    /// Its cells are there, and so many of them are not what was written.
    case unreadable(cellCount: Int)
  }

  func read(_ item: Queue.Item) throws -> Reading {
    var numbers = SlotNumbers(keys)
    var parts: [[UInt8]] = []
    var unreadableCount = 0
    for (index, number) in item.numbers(&numbers).enumerated() {
      let sealed = try cells.row(at: number).flatMap { $0.isEmpty ? nil : $0 }
      if index == 0, sealed == nil { return .notYet }
      if let cell = sealed.flatMap({ cells.open($0, at: number, keys) }) { parts.append(cell) } else { unreadableCount += 1 }
    }
    guard unreadableCount == 0 else { return .unreadable(cellCount: unreadableCount) }
    guard let content = CellRows.join(parts), Self.sequence(content) == item.sequence else { return .unreadable(cellCount: 1) }
    return .envelope(StoredEnvelope(sequence: item.sequence, sealed: Array(content.dropFirst(8))))
  }

  // MARK: Writing

  /// Sees to it that the queue is known; for the writer.
  func ensureLoaded() throws {
    if cache.room(place.name, Day(number: 0)) == nil { cache.put(try load(), place.name) }
  }

  /// Writes an envelope behind the others.
  ///
  /// - Returns: false, and writes nothing, when there is no room.
  func append(_ sealed: [UInt8], sequence: UInt64, expires: Day) throws -> Bool {
    try ensureLoaded()
    let day = CellRows.day(of: CellRows.number(expires, 0))
    guard let room = cache.room(place.name, day), room.count < Limits.mailboxEnvelopeCount,
      room.byteCount + sealed.count <= Limits.mailboxByteCount
    else { return false }
    let parts = CellRows.cut(sequence.bigEndianBytes + sealed)
    var slot = room.nextSlot
    while let taken = try insert(parts, day, slot) {
      // A block whose mark is another mailbox's could not be found.
      slot = taken + (taken.isMultiple(of: Self.markDistance) ? Self.markDistance : 1)
    }
    let item = Queue.Item(
      sequence: sequence, expires: day.number, slot: UInt32(clamping: slot), byteCount: UInt32(clamping: sealed.count))
    cache.add(item, nextSlot: slot + UInt64(parts.count), place.name)
    return true
  }

  /// Writes cells into slots that follow each other.
  ///
  /// - Returns: the slot that is taken, if one is; then nothing is written.
  private func insert(_ parts: [[UInt8]], _ day: Day, _ slot: UInt64) throws -> UInt64? {
    var numbers = SlotNumbers(keys)
    for (index, part) in parts.enumerated() {
      if try cells.insert(part, at: numbers.number(day, slot + UInt64(index)), keys) { continue }
      for written in 0..<index { try cells.delete(numbers.number(day, slot + UInt64(written))) }
      return slot + UInt64(index)
    }
    return nil
  }

  // MARK: Deleting

  /// What is to be deleted for an item.
  static func deletions(_ item: Queue.Item, _ keys: RowKeys) -> [QueueCache.Deletion] {
    var numbers = SlotNumbers(keys)
    return item.numbers(&numbers).enumerated().map { index, number in
      QueueCache.Deletion(number: number, isMarked: (UInt64(item.slot) + UInt64(index)).isMultiple(of: markDistance))
    }
  }

  /// Deletes cells that were acknowledged, of many mailboxes, in no order.
  ///
  /// - Returns: whether there are more.
  static func deleteAcknowledged(_ db: Database, _ cache: QueueCache, atMost count: Int) throws -> Bool {
    let rows = Rows(db)
    let deletions = cache.beginDeletion(atMost: count).shuffled()
    do {
      for deletion in deletions {
        try rows.run(
          deletion.isMarked ? "UPDATE envelopes SET sealed = x'' WHERE id = ?" : "DELETE FROM envelopes WHERE id = ?", [deletion.number])
      }
    } catch {
      cache.abandonDeletion(deletions)
      throw error
    }
    return deletions.count == count
  }
}
