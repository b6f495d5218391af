import Foundation
import GRDB
import MailboxEngine
import SottoProtocol

/// Handle logs with their entries and GroupInfos.
struct LogRows {
  private struct Log {
    var writeKey: StoredName
    var administrators: [StoredName]
    var nextSlot: UInt64
    var rotations: [StoredName]
  }

  private let rows: Rows
  private let envelopes: EnvelopeRows

  init(_ db: Database) {
    rows = Rows(db)
    envelopes = EnvelopeRows(db)
  }

  func create(_ log: NewLog) throws -> Bool {
    if let row = try rows.first("SELECT creation FROM logs WHERE name = ?", [log.place.name.data]) {
      return (row[0] as Data) == log.creation.data
    }
    try rows.run(
      "INSERT INTO logs VALUES (?, ?, ?, ?, 0, x'')",
      [log.place.name.data, log.writeKey.data, joined(log.administrators), log.creation.data])
    return true
  }

  func append(_ append: StoredAppend, today: Day) throws -> AppendOutcome {
    guard var log = try log(append.log.name) else { return .refused }
    let standing = try rows.first(
      "SELECT frame FROM log_entries WHERE log = ? AND slot = ? AND expires > ?",
      [append.log.name.data, append.slot.integer, today.integer])
    if let standing, (standing[0] as Data) == Data(append.entry) { return .duplicate }
    guard log.writeKey == append.writeKey else { return .refused }
    if let rotation = append.rotation {
      guard log.administrators.contains(rotation.signer) else { return .refused }
      log.writeKey = rotation.writeKey
      log.administrators = rotation.administrators
    }
    guard append.slot == log.nextSlot else { return .conflict(nextSlot: log.nextSlot) }
    log.nextSlot += 1
    log.rotations = []
    try update(append.log.name, log)
    try rows.run(
      "INSERT INTO log_entries VALUES (?, ?, ?, ?)",
      [append.log.name.data, append.slot.integer, append.expires.integer, Data(append.entry)])
    if !append.groupInfo.isEmpty {
      try rows.run("INSERT OR REPLACE INTO group_infos VALUES (?, ?)", [append.log.name.data, Data(append.groupInfo)])
    }
    return .appended(try append.copies.map { try envelopes.append($0, today: today) })
  }

  func rotate(_ name: StoredName, slot: UInt64, rotation: StoredRotation, identifier: StoredName) throws -> RotateOutcome {
    guard var log = try log(name) else { return .refused }
    if log.rotations.contains(identifier) { return .rotated }
    guard log.administrators.contains(rotation.signer) else { return .refused }
    guard slot == log.nextSlot else { return .conflict(nextSlot: log.nextSlot) }
    guard log.rotations.count < ServerLimits.rotationsPerSlot else { return .refused }
    log.writeKey = rotation.writeKey
    log.administrators = rotation.administrators
    log.rotations.append(identifier)
    try update(name, log)
    return .rotated
  }

  func read(_ name: StoredName, from slot: UInt64, page: PageLimit, today: Day) throws -> LogPage? {
    guard let log = try log(name) else { return nil }
    let first = try rows.first(
      "SELECT min(slot) FROM log_entries WHERE log = ? AND expires > ?", [name.data, today.integer])
    var result = LogPage(firstSlot: log.nextSlot, nextSlot: log.nextSlot, entries: [])
    if let slot: Int64 = first?[0] { result.firstSlot = try UInt64(stored: slot) }
    var byteCount = 0
    let sql = "SELECT slot, frame FROM log_entries WHERE log = ? AND slot >= ? AND expires > ? ORDER BY slot LIMIT ?"
    try rows.each(sql, [name.data, slot.integer, today.integer, page.count]) { row in
      let number: Int64 = row[0]
      let frame: Data = row[1]
      byteCount += frame.count + LogPage.entryOverheadByteCount
      guard result.entries.isEmpty || byteCount <= page.byteCount else { return false }
      result.entries.append(LogEntry(slot: try UInt64(stored: number), frame: Array(frame)))
      return true
    }
    return result
  }

  func groupInfo(_ log: StoredName) throws -> [UInt8]? {
    try rows.first("SELECT frame FROM group_infos WHERE log = ?", [log.data]).map { Array($0[0] as Data) }
  }

  private func log(_ name: StoredName) throws -> Log? {
    let row = try rows.first(
      "SELECT write_key, administrators, next_slot, rotations FROM logs WHERE name = ?", [name.data])
    guard let row else { return nil }
    return Log(
      writeKey: try StoredName(row[0] as Data), administrators: try split(row[1]), nextSlot: try UInt64(stored: row[2]),
      rotations: try split(row[3]))
  }

  private func update(_ name: StoredName, _ log: Log) throws {
    try rows.run(
      "UPDATE logs SET write_key = ?, administrators = ?, next_slot = ?, rotations = ? WHERE name = ?",
      [log.writeKey.data, joined(log.administrators), log.nextSlot.integer, joined(log.rotations), name.data])
  }

  private func joined(_ names: [StoredName]) -> Data { Data(names.flatMap(\.bytes)) }

  private func split(_ data: Data) throws -> [StoredName] {
    let bytes = Array(data)
    return try stride(from: 0, to: bytes.count, by: StoredName.byteCount).map { start in
      try StoredName(Data(bytes[start..<min(start + StoredName.byteCount, bytes.count)]))
    }
  }
}
