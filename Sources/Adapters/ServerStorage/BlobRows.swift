import GRDB
import MailboxEngine
import SottoProtocol

/// Key-package blobs under one capability. One that was taken stays, for its claimer alone, and one that was withdrawn stays
/// as an entry of the record, until they expire: so neither comes back.
struct BlobRows {
  private let context: Context
  private let records: RecordRows
  private let cells: CellRows
  private let place: StoredPlace
  private let keys: RowKeys

  init(_ context: Context, _ place: StoredPlace) {
    self.context = context
    self.place = place
    records = RecordRows(context.db, .capabilities, veil: context.veil)
    cells = CellRows(context.db, .blobs)
    keys = RowKeys(place)
  }

  private func record() throws -> CapabilityRecord? { try records.read(place, keys).map { try CapabilityRecord($0) } }

  func write(_ record: CapabilityRecord) throws { try records.write(record.bytes, of: place, keys, expires: record.expires) }

  func store(_ bytes: [UInt8], expires: Day, index: UInt64) throws {
    try cells.write(bytes, day: expires, index: index, keys)
  }

  func publish(_ publication: Publication, today: Day) throws -> OwnerOutcome {
    let mailbox = MailboxRows(context, publication.mailbox)
    guard try mailbox.record() != nil else { return .refused }
    var record = try record() ?? CapabilityRecord(publisher: publication.publisher.short)
    guard record.publisher == publication.publisher.short else { return .refused }
    record.blobs.removeAll { $0.expires <= today.number }
    var names = Set(record.blobs.map(\.name))
    let added = publication.blobs.filter { names.insert($0.name.short).inserted }
    guard !added.isEmpty else { return .done }
    guard names.count <= min(publication.capabilityQuota, ServerLimits.blobsPerCapability) else { return .overQuota }
    let outcome = try mailbox.use { $0.useBlobs(added.count, quota: publication.quota, periodEnds: $1) }
    guard outcome == .done else { return outcome }
    for blob in added {
      try store(blob.bytes, expires: publication.expires, index: record.add(blob.name.short, expires: publication.expires))
    }
    try write(record)
    return .done
  }

  func claim(by claimer: StoredName, today: Day) throws -> [UInt8]? {
    guard var record = try record(), let index = record.candidate(for: claimer.short, today: today) else { return nil }
    let blob = record.blobs[index]
    guard let bytes = try cells.read(day: Day(number: blob.expires), index: UInt64(blob.index), keys) else { return nil }
    if blob.claimer != claimer.short {
      record.blobs[index].claimer = claimer.short
      try write(record)
    }
    return bytes
  }

  func withdraw(publisher: StoredName) throws -> Bool {
    guard var record = try record() else { return true }
    guard record.publisher == publisher.short else { return false }
    for index in record.blobs.indices where !record.blobs[index].isWithdrawn {
      let blob = record.blobs[index]
      try cells.remove(day: Day(number: blob.expires), index: UInt64(blob.index), keys)
      record.blobs[index].isWithdrawn = true
    }
    try write(record)
    return true
  }
}
