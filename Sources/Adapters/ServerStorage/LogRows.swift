import GRDB
import MailboxEngine
import SottoProtocol

/// One handle log with its entries and its GroupInfo.
struct LogRows {
  private let context: Context
  private let records: RecordRows
  private let entries: CellRows
  private let groupInfos: CellRows
  private let place: StoredPlace
  private let keys: RowKeys

  init(_ context: Context, _ place: StoredPlace) {
    self.context = context
    self.place = place
    records = RecordRows(context.db, .logs, veil: context.veil)
    entries = CellRows(context.db, .logEntries)
    groupInfos = CellRows(context.db, .groupInfos)
    keys = RowKeys(place)
  }

  private func record() throws -> LogRecord? { try records.read(place, keys).map { try LogRecord($0) } }

  func write(_ record: LogRecord) throws { try records.write(record.bytes, of: place, keys) }

  /// Makes the log.
  ///
  /// - Parameter spend: spends the token; not asked for a log that is there.
  func create(_ log: NewLog, spend: () throws -> Bool) throws -> SpendOutcome {
    if let record = try record() { return record.creation == log.creation.short ? .done : .refused }
    guard try spend() else { return .tokenSpent }
    try write(
      LogRecord(writeKey: log.writeKey.short, administrators: log.administrators.map(\.short), creation: log.creation.short))
    return .done
  }

  /// - Parameter deliver: puts a copy into its mailbox.
  func append(
    _ append: StoredAppend, today: Day, deliver: (SealedCopy) throws -> CopyOutcome
  ) throws -> AppendOutcome {
    guard var record = try record() else { return .refused }
    if let expires = record.expiry(of: append.slot), expires > today,
      try entries.read(day: expires, index: append.slot, keys) == append.entry
    {
      return .duplicate
    }
    guard record.writeKey == append.writeKey.short else { return .refused }
    if let rotation = append.rotation {
      guard record.administrators.contains(rotation.signer.short) else { return .refused }
      record.writeKey = rotation.writeKey.short
      record.administrators = rotation.administrators.map(\.short)
    }
    guard append.slot == record.nextSlot else { return .conflict(nextSlot: record.nextSlot) }
    guard record.hasRoom(byteCount: append.entry.count, today: today) else { return .full }
    try store(append.entry, expires: append.expires, &record)
    record.rotations = []
    if !append.groupInfo.isEmpty { try store(groupInfo: append.groupInfo, &record) }
    try write(record)
    return .appended(try append.copies.map(deliver))
  }

  /// Writes an entry into the next slot.
  func store(_ entry: [UInt8], expires: Day, _ record: inout LogRecord) throws {
    try entries.write(entry, day: expires, index: record.nextSlot, keys)
    record.advance(expires: expires, byteCount: entry.count)
  }

  /// Writes a GroupInfo in the place of the one before.
  func store(groupInfo: [UInt8], _ record: inout LogRecord) throws {
    if record.infoGeneration > 0 { try groupInfos.remove(day: Self.noDay, index: record.infoGeneration, keys) }
    record.infoGeneration += 1
    try groupInfos.write(groupInfo, day: Self.noDay, index: record.infoGeneration, keys)
  }

  /// GroupInfos lie under numbers without a day: they stay until they are replaced.
  private static let noDay = Day(number: 0)

  func rotate(slot: UInt64, rotation: StoredRotation, identifier: StoredName) throws -> RotateOutcome {
    guard var record = try record() else { return .refused }
    if record.rotations.contains(identifier.short) { return .rotated }
    guard record.administrators.contains(rotation.signer.short) else { return .refused }
    guard slot == record.nextSlot else { return .conflict(nextSlot: record.nextSlot) }
    guard record.rotations.count < ServerLimits.rotationsPerSlot else { return .refused }
    record.writeKey = rotation.writeKey.short
    record.administrators = rotation.administrators.map(\.short)
    record.rotations.append(identifier.short)
    try write(record)
    return .rotated
  }

  func read(from slot: UInt64, page: PageLimit, today: Day) throws -> LogPage? {
    guard let record = try record() else { return nil }
    var result = LogPage(firstSlot: record.nextSlot, nextSlot: record.nextSlot, entries: [])
    // Behind the clock's day, a run is there as a whole or not at all.
    let runs = try record.runs.filter { run in
      let day = Day(number: run.expires)
      return try day > today && entries.contains(day: day, index: run.firstSlot, keys)
    }
    guard let first = runs.first?.firstSlot else { return result }
    result.firstSlot = first
    var byteCount = 0
    var next = max(slot, first)
    while next < record.nextSlot, result.entries.count < page.count {
      defer { next += 1 }
      guard let expires = record.expiry(of: next), expires > today else { continue }
      guard let frame = try entries.read(day: expires, index: next, keys) else { continue }
      byteCount += frame.count + LogPage.entryOverheadByteCount
      guard result.entries.isEmpty || byteCount <= page.byteCount else { break }
      result.entries.append(LogEntry(slot: next, frame: frame))
    }
    return result
  }

  func groupInfo() throws -> [UInt8]? {
    guard let record = try record(), record.infoGeneration > 0 else { return nil }
    return try groupInfos.read(day: Self.noDay, index: record.infoGeneration, keys)
  }
}
