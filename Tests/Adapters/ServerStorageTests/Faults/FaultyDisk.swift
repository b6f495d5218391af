import CFaultyVFS
import Foundation

/// A disk with faults under the databases of one directory.
final class FaultyDisk: Sendable {
  /// What SQLite does to its files.
  struct Operation: OptionSet {
    let rawValue: Int32
    static let write = Operation(rawValue: Int32(FAULTY_WRITE))
    static let sync = Operation(rawValue: Int32(FAULTY_SYNC))
    static let truncate = Operation(rawValue: Int32(FAULTY_TRUNCATE))
    static let read = Operation(rawValue: Int32(FAULTY_READ))
    static let open = Operation(rawValue: Int32(FAULTY_OPEN))
  }

  /// What was done to a file.
  enum Event {
    case wrote(Part, offset: Int, [UInt8])
    case truncated(Part, byteCount: Int)
    case synced(Part)
    /// Said to be flushed, and not flushed.
    case lied(Part)
    case syncFailed(Part)
  }

  enum Part: Int32, CaseIterable { case database, log, other }

  private static let isInstalled = faulty_install() == 0
  private let number: Int32

  init(_ server: TemporaryServer) throws {
    let path = URL(filePath: server.path).resolvingSymlinksInPath().path(percentEncoded: false)
    // `unsafe`: the string is lent to the call, which copies it.
    number = Self.isInstalled ? unsafe faulty_disk_add(path.hasSuffix("/") ? String(path.dropLast()) : path) : -1
    guard number >= 0 else { throw CocoaError(.featureUnsupported) }
  }

  deinit { faulty_disk_remove(number) }

  /// Lets the nth of these operations fail from now on, and the later ones if it lasts; of a write so many bytes of a hundred still
  /// reach the disk.
  func fail(_ operations: Operation, nth: Int, lasts: Bool, code: Int32, percent: Int = 0) {
    faulty_disk_plan(number, operations.rawValue, Int32(nth), lasts ? 1 : 0, code, Int32(percent))
  }

  /// As on a disk that is full, but for so many bytes that the write-ahead log may take.
  func leaveRoom(forLog byteCount: Int) { faulty_disk_bound_log(number, Int64(byteCount)) }

  func mend() { faulty_disk_mend(number) }
  func record() { faulty_disk_record(number) }
  func lie(_ lies: Bool) { faulty_disk_lie(number, lies ? 1 : 0) }
  var failureCount: Int { Int(faulty_disk_failure_count(number)) }
  func count(_ operations: Operation) -> Int { faulty_disk_operation_count(number, operations.rawValue) }
  var eventCount: Int { faulty_disk_event_count(number) }

  func event(_ index: Int) -> Event? {
    // `unsafe`: the bytes belong to the record, which stays until the disk is removed; they are copied here.
    var event = unsafe faulty_event()
    guard unsafe faulty_disk_event(number, index, &event) == 0, let part = unsafe Part(rawValue: event.file) else { return nil }
    switch unsafe event.kind {
    case Int32(FAULTY_WROTE):
      let bytes = unsafe Self.copy(event.bytes, Int(event.byte_count))
      return unsafe .wrote(part, offset: Int(event.offset), bytes)
    case Int32(FAULTY_TRUNCATED): return unsafe .truncated(part, byteCount: Int(event.offset))
    case Int32(FAULTY_SYNCED): return .synced(part)
    case Int32(FAULTY_LIED): return .lied(part)
    default: return .syncFailed(part)
    }
  }

  @inline(never)
  private static func copy(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> [UInt8] {
    unsafe Array(UnsafeBufferPointer(start: bytes, count: count))
  }
}

/// The files of a database as a disk holds them: what is flushed, and what is on its way.
struct DiskImage {
  private struct File {
    var flushed: [UInt8] = []
    var pending: [FaultyDisk.Event] = []
  }

  private static let sectorByteCount = 512
  private var files: [FaultyDisk.Part: File] = [:]

  init(database: [UInt8], log: [UInt8]) {
    files[.database] = File(flushed: database)
    files[.log] = File(flushed: log)
  }

  /// Does what was done next.
  mutating func apply(_ event: FaultyDisk.Event, _ random: inout some RandomNumberGenerator) {
    switch event {
    case .wrote(let part, _, _), .truncated(let part, _): files[part, default: File()].pending.append(event)
    case .synced(let part): flush(part) { _ in true }
    case .lied: break
    // A system may drop what it could not write, and say afterwards that all is well.
    case .syncFailed(let part): flush(part) { _ in Bool.random(using: &random) }
    }
  }

  private mutating func flush(_ part: FaultyDisk.Part, _ survives: (FaultyDisk.Event) -> Bool) {
    guard var file = files[part] else { return }
    for event in file.pending where survives(event) { Self.apply(event, to: &file.flushed) }
    file.pending = []
    files[part] = file
  }

  /// A file after the power has failed: what was flushed, and of the rest any sectors.
  func survivors(_ part: FaultyDisk.Part, _ random: inout some RandomNumberGenerator) -> [UInt8] {
    guard let file = files[part] else { return [] }
    var bytes = file.flushed
    for event in file.pending {
      switch Int.random(in: 0..<4, using: &random) {
      case 0: break
      case 1: Self.apply(Self.torn(event, &random), to: &bytes)
      default: Self.apply(event, to: &bytes)
      }
    }
    return bytes
  }

  /// A file after a disk has lost nothing but what came last.
  func everything(_ part: FaultyDisk.Part) -> [UInt8] {
    guard let file = files[part] else { return [] }
    return file.pending.reduce(into: file.flushed) { Self.apply($1, to: &$0) }
  }

  /// A write of which some sectors did not reach the disk.
  private static func torn(_ event: FaultyDisk.Event, _ random: inout some RandomNumberGenerator) -> FaultyDisk.Event {
    guard case .wrote(let part, let offset, let bytes) = event else { return event }
    let end = (offset / sectorByteCount + Int.random(in: 0...bytes.count / sectorByteCount, using: &random)) * sectorByteCount
    return .wrote(part, offset: offset, Array(bytes.prefix(max(0, end - offset))))
  }

  private static func apply(_ event: FaultyDisk.Event, to bytes: inout [UInt8]) {
    switch event {
    case .wrote(_, let offset, let written):
      if written.isEmpty { return }
      if bytes.count < offset + written.count { bytes += [UInt8](repeating: 0, count: offset + written.count - bytes.count) }
      bytes.replaceSubrange(offset..<offset + written.count, with: written)
    case .truncated(_, let count):
      if count < bytes.count { bytes.removeLast(bytes.count - count) }
    default: break
    }
  }
}
