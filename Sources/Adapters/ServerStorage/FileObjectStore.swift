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
/// An object takes its announced size of the quota while it grows (`ObjectSpace`), so that what was begun can be ended.
public final class FileObjectStore: ObjectStore {
  /// Threads that may wait for the disk at once. What concerns one object is done in order.
  private static let queueCount = 8

  private let files: ObjectFiles
  private let space: ObjectSpace
  private let queues: [DispatchQueue]

  convenience init(path: String, quota: UInt64, minimumFreeByteCount: Int = 0) throws(ServerStorageError) {
    try self.init(path: path, space: ObjectSpace(quota: quota, minimumFreeByteCount: minimumFreeByteCount, disk: DiskSpace(of: path)))
  }

  init(path: String, space: ObjectSpace, flushData: @escaping DataFlush = ObjectFile.flushData) throws(ServerStorageError) {
    files = ObjectFiles(root: path, flushData: flushData)
    self.space = space
    try files.prepare(counting: space)
    queues = (0..<Self.queueCount).map { DispatchQueue(label: "objects \($0)") }
  }

  /// Bytes that files take, in whole blocks, those included that were announced and are coming.
  public var usedByteCount: UInt64 { space.byteCount }

  /// Leaves so many bytes of the disk free from now on.
  public func replaceMinimumFreeByteCount(with byteCount: Int) { space.replaceMinimum(with: byteCount) }

  public func hasRoom(for byteCount: UInt64) async throws(StoreFailure) -> Bool {
    let (sum, overflow) = byteCount.addingReportingOverflow(UInt64(ObjectFile.headerByteCount))
    return !overflow && space.fits(sum)
  }

  public func state(of name: StoredName, today: Day) async throws(StoreFailure) -> ObjectState? {
    try await run(name) { [files] () throws(FileFailure) in
      guard let file = try files.find(name, today: today, in: [.open, .kept]) else { return nil }
      return try file.state
    }
  }

  public func create(_ object: NewObject, today: Day) async throws(StoreFailure) -> ObjectCreation {
    try await run(object.name) { [self] () throws(FileFailure) in
      if let file = try files.find(object.name, today: today, in: [.open, .kept]) { return .stands(try file.state) }
      let (size, overflow) = object.byteCount.addingReportingOverflow(UInt64(ObjectFile.headerByteCount))
      guard !overflow, space.reserve(object.name, announced: size, present: 0) else { return .overQuota }
      do throws(FileFailure) {
        try files.create(object, today: today)
      } catch {
        space.release(object.name, present: 0)
        guard error == .full else { throw error }
        return .overQuota
      }
      space.grew(object.name, from: 0, to: UInt64(ObjectFile.headerByteCount))
      return .made
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
      let header = try file.header
      guard !overflow, end <= header.byteCount else { return .refused }
      let fileBefore = Self.onDisk(before)
      guard end <= before || space.mayGrow(name, from: fileBefore, to: Self.onDisk(end), announced: Self.onDisk(header.byteCount)) else {
        return .overQuota
      }
      do throws(FileFailure) { try file.write(bytes, at: offset, day: today) } catch {
        takeBack(file, name, to: offset, from: before, today: today)
        throw error
      }
      space.grew(name, from: fileBefore, to: Self.onDisk(max(before, end)))
      // Who writes the same again and again holds nothing up.
      if end > before { try files.keepOpen(file, name, until: header.lastDay(today: today), today: today) }
      return .stands(try file.state)
    }
  }

  public func finish(_ name: StoredName, today: Day) async throws(StoreFailure) -> ObjectOutcome {
    try await change(name) { [self] () throws(FileFailure) in
      guard let file = try files.find(name, today: today, in: [.kept, .open]) else { return .refused }
      let (state, header) = (try file.state, try file.header)
      guard file.place.area == .open, state.byteCount == header.byteCount else { return .stands(state) }
      // A process that died before its flush leaves bytes that nobody was told of.
      do throws(FileFailure) { try file.flush() } catch {
        takeBack(file, name, to: 0, from: state.byteCount, today: today)
        throw error
      }
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
      try remove(file.place.path, of: name)
      return true
    }
  }

  public func expire(today: Day) async throws(StoreFailure) {
    for directory in files.expiredDirectories(today: today) {
      for file in directory.files {
        // In the queue of its object, so that no write is under way in it.
        try await run(file.name) { [self] () throws(FileFailure) in try remove(file.path, of: file.name) }
      }
      files.removeDirectory(directory.path)
    }
  }

  // MARK: -

  /// Removes a file; it is durable on return, and no longer counted as soon as it is gone, durable or not.
  private func remove(_ path: String, of name: StoredName) throws(FileFailure) {
    guard let size = ObjectFiles.size(of: path) else { return }
    guard try files.unlink(path) else { return }
    space.release(name, present: size)
    try files.synchronizeParent(of: path)
  }

  /// Leaves of an object what surely is on disk after a write or a flush failed: what was there and lies before the write. What it was
  /// to replace goes too, though it was answered for before; whoever sends it asks for the state and goes on from there. Where not even
  /// that can be had, the object goes, and whoever sends it begins anew.
  private func takeBack(_ file: ObjectFile, _ name: StoredName, to byteCount: UInt64, from before: UInt64, today: Day) {
    do throws(FileFailure) {
      try file.cut(to: byteCount, day: today)
      space.shrank(name, from: Self.onDisk(before), to: Self.onDisk(byteCount))
    } catch {
      guard (try? files.unlink(file.place.path)) == true else { return }
      space.release(name, present: Self.onDisk(before))
      try? files.synchronizeParent(of: file.place.path)
    }
  }

  /// Bytes of the file of so many bytes.
  private static func onDisk(_ byteCount: UInt64) -> UInt64 {
    let (sum, overflow) = byteCount.addingReportingOverflow(UInt64(ObjectFile.headerByteCount))
    return overflow ? .max : sum
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
