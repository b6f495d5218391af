import Dispatch
public import MailboxEngine
public import SottoProtocol
import Synchronization

/// Objects as files, one each (docs/protocol.md §13, "At rest").
///
/// There is no table of them. Where a file lies says when it goes and whether it is finished, so nothing can name a file that is not
/// there, and no file is forgotten:
/// `open/DAY/XX/NAME` for one that is being written, `kept/DAY/XX/NAME` for a finished one, with the day on which it is deleted, the name (an
/// HMAC under the server's secret), and the name's first byte to keep directories small. A file begins with a header of 16 bytes.
public final class FileObjectStore: ObjectStore {
  /// Threads that may wait for the disk at once. What concerns one object is done in order.
  private static let queueCount = 8

  private let files: ObjectFiles
  private let quota: UInt64
  /// Bytes of all files, headers included.
  private let used: Mutex<UInt64>
  private let queues: [DispatchQueue]

  init(path: String, quota: UInt64) throws(ServerStorageError) {
    files = ObjectFiles(root: path)
    self.quota = quota
    used = Mutex(try files.prepare())
    queues = (0..<Self.queueCount).map { DispatchQueue(label: "objects \($0)") }
  }

  /// Bytes that files take at this moment.
  public var usedByteCount: UInt64 { used.withLock { $0 } }

  public func hasRoom(for byteCount: UInt64) async throws(StoreFailure) -> Bool { fits(byteCount) }

  public func state(of name: StoredName, today: Day) async throws(StoreFailure) -> ObjectState? {
    try await run(name) { [files] () throws(FileFailure) in
      guard let file = try files.find(name, today: today, in: [.open, .kept]) else { return nil }
      return try file.state
    }
  }

  public func create(_ object: NewObject, today: Day) async throws(StoreFailure) -> ObjectOutcome {
    try await change(object.name) { [self] () throws(FileFailure) in
      if let file = try files.find(object.name, today: today, in: [.open, .kept]) { return .stands(try file.state) }
      guard fits(object.byteCount) else { return .overQuota }
      try files.create(object, today: today)
      grow(from: 0, to: UInt64(ObjectFile.headerByteCount))
      return .stands(ObjectState(byteCount: 0, isFinished: false))
    }
  }

  public func write(
    _ bytes: [UInt8], to name: StoredName, at offset: UInt64, today: Day
  ) async throws(StoreFailure) -> ObjectOutcome {
    try await change(name) { [self] () throws(FileFailure) in
      guard let file = try files.find(name, today: today, in: [.open]) else { return .refused }
      let before = try file.byteCount
      guard offset <= before else { return .stands(try file.state) }
      let (end, overflow) = offset.addingReportingOverflow(UInt64(bytes.count))
      let announced = try file.header.byteCount
      guard !overflow, end <= announced else { return .refused }
      guard end <= before || fits(end - before) else { return .overQuota }
      // A full disk may have taken a part of it.
      defer { grow(from: before, to: (try? file.byteCount) ?? max(before, end)) }
      try file.write(bytes, at: offset, day: today)
      try files.keepOpen(file, name, today: today)
      return .stands(try file.state)
    }
  }

  public func finish(_ name: StoredName, today: Day) async throws(StoreFailure) -> ObjectOutcome {
    try await change(name) { [files] () throws(FileFailure) in
      guard let file = try files.find(name, today: today, in: [.kept, .open]) else { return .refused }
      let (state, header) = (try file.state, try file.header)
      guard file.place.area == .open, state.byteCount == header.byteCount else { return .stands(state) }
      try files.keep(file, name, until: today.adding(UInt32(header.days)), today: today)
      return .stands(ObjectState(byteCount: state.byteCount, isFinished: true))
    }
  }

  public func read(
    _ name: StoredName, at offset: UInt64, count: Int, today: Day
  ) async throws(StoreFailure) -> [UInt8]? {
    try await run(name) { [files] () throws(FileFailure) in
      guard let file = try files.find(name, today: today, in: [.kept]) else { return nil }
      let size = try file.byteCount
      guard offset < size, count > 0 else { return [] }
      return try file.read(at: offset, count: Int(min(UInt64(count), size - offset)))
    }
  }

  public func delete(_ name: StoredName, today: Day) async throws(StoreFailure) -> Bool {
    try await run(name) { [self] () throws(FileFailure) in
      guard let file = try files.find(name, today: today, in: [.open, .kept]) else { return false }
      let size = try file.byteCount
      try files.remove(file.place.path)
      shrink(by: size + UInt64(ObjectFile.headerByteCount))
      return true
    }
  }

  public func expire(today: Day) async throws(StoreFailure) {
    for directory in files.expiredDirectories(today: today) {
      for file in directory.files {
        // In the queue of its object, so that no write is under way in it.
        try await run(file.name) { [self] () throws(FileFailure) in
          guard let size = ObjectFiles.size(of: file.path) else { return }
          try files.remove(file.path)
          shrink(by: size)
        }
      }
      files.removeDirectory(directory.path)
    }
  }

  // MARK: -

  private func fits(_ byteCount: UInt64) -> Bool {
    used.withLock { used in
      let (sum, overflow) = used.addingReportingOverflow(byteCount)
      return !overflow && sum <= quota
    }
  }

  private func grow(from before: UInt64, to after: UInt64) {
    guard after > before else { return }
    used.withLock { $0 += after - before }
  }

  private func shrink(by count: UInt64) {
    used.withLock { $0 -= min($0, count) }
  }

  /// As `run`, where a full disk is an answer.
  private func change(
    _ name: StoredName, _ body: @escaping @Sendable () throws(FileFailure) -> ObjectOutcome
  ) async throws(StoreFailure) -> ObjectOutcome {
    try await run(name) { () throws(FileFailure) in
      do throws(FileFailure) { return try body() } catch {
        guard error == .full else { throw error }
        return .overQuota
      }
    }
  }

  /// Does something that waits for the disk, after everything that was asked about this object before.
  private func run<Value: Sendable>(
    _ name: StoredName, _ body: @escaping @Sendable () throws(FileFailure) -> Value
  ) async throws(StoreFailure) -> Value {
    let queue = queues[Int(name.bytes.last ?? 0) % queues.count]
    let result: Result<Value, FileFailure> = await withCheckedContinuation { continuation in
      queue.async {
        do throws(FileFailure) { continuation.resume(returning: .success(try body())) } catch {
          continuation.resume(returning: .failure(error))
        }
      }
    }
    do { return try result.get() } catch { throw .outcomeUnknown }
  }
}
