import MailboxEngine
import SottoProtocol
import SystemFiles

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Why a file did not do what was asked.
enum FileFailure: Error, Equatable {
  /// No room on the disk, or none for this user.
  case full
  case system(errno: Int32)
  /// Not a file that this program wrote.
  case damaged

  init(_ failure: SystemFailure) { self = failure.isFull ? .full : .system(errno: failure.errno) }

  static func last() -> FileFailure { FileFailure(SystemFailure(errno: errno)) }
}

/// What a file begins with: `uint8 version = 1; uint8 days; uint8 zeros[2]; uint32 made; uint64 byte_count`.
struct ObjectHeader {
  /// Bytes that the object is to get.
  var byteCount: UInt64
  /// Days that it is kept once it has them.
  var days: UInt8
  /// The day on which it was begun; day 0 in files of a version that did not say.
  var made: Day

  var encoded: [UInt8] {
    var bytes: [UInt8] = [1, days, 0, 0]
    for shift in stride(from: UInt32(24), through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: made.number >> shift)) }
    for shift in stride(from: UInt64(56), through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: byteCount >> shift)) }
    return bytes
  }

  init(byteCount: UInt64, days: UInt8, made: Day) {
    self.byteCount = byteCount
    self.days = days
    self.made = made
  }

  init(_ bytes: [UInt8]) throws(FileFailure) {
    guard bytes.count == ObjectFile.headerByteCount, bytes[0] == 1 else { throw .damaged }
    days = bytes[1]
    made = Day(number: bytes[4..<8].reduce(0) { $0 << 8 | UInt32($1) })
    byteCount = bytes[8...].reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// The day on which an upload that goes on today is deleted: some days from now, but not for ever.
  func lastDay(today: Day) -> Day {
    let day = today.adding(ServerLimits.unfinishedObjectDays)
    return made.number == 0 ? day : min(day, made.adding(ServerLimits.unfinishedObjectLifeDays))
  }
}

/// Returns when the content of an open file is on disk, and what of its length is needed to read it.
typealias DataFlush = @Sendable (_ descriptor: Int32) throws(SystemFailure) -> Void

/// An open file that holds an object.
final class ObjectFile {
  static let headerByteCount = 16
  /// The system's own.
  static let flushData: DataFlush = { (descriptor) throws(SystemFailure) in
    guard fdatasync(descriptor) == 0 else { throw .last() }
  }

  let place: ObjectPlace
  private let descriptor: Int32
  private let flushData: DataFlush

  /// - Returns: nil when it is not there.
  init?(_ place: ObjectPlace, flushData: @escaping DataFlush) throws(FileFailure) {
    self.place = place
    self.flushData = flushData
    let mode = place.area == .open ? O_RDWR : O_RDONLY
    // `unsafe`: the string is lent to the system as a C string for the duration of the call.
    descriptor = unsafe open(place.path, mode | O_CLOEXEC | O_NOFOLLOW | Self.noAccessTime)
    guard descriptor >= 0 else {
      if errno == ENOENT || errno == ENOTDIR { return nil }
      throw .last()
    }
  }

  deinit { _ = close(descriptor) }

  /// A file keeps no time at which it was read.
  #if os(Linux)
    private static let noAccessTime: Int32 = 0o1_000_000  // O_NOATIME, which the module does not show
  #else
    private static let noAccessTime: Int32 = 0
  #endif

  var header: ObjectHeader {
    get throws(FileFailure) { try ObjectHeader(try read(from: 0, count: Self.headerByteCount)) }
  }

  /// Bytes of the object that are there.
  var byteCount: UInt64 {
    get throws(FileFailure) {
      var status = stat()
      // `unsafe`: the system writes the value during the call.
      guard unsafe fstat(descriptor, &status) == 0 else { throw .last() }
      guard status.st_size >= Self.headerByteCount else { throw .damaged }
      return UInt64(status.st_size) - UInt64(Self.headerByteCount)
    }
  }

  var state: ObjectState {
    get throws(FileFailure) { ObjectState(byteCount: try byteCount, isFinished: place.area == .kept) }
  }

  func read(at offset: UInt64, count: Int) throws(FileFailure) -> [UInt8] {
    try read(from: offset + UInt64(Self.headerByteCount), count: count)
  }

  private func read(from position: UInt64, count: Int) throws(FileFailure) -> [UInt8] {
    let bytes: [UInt8]
    do throws(SystemFailure) { bytes = try DescriptorIO.read(descriptor, at: position, count: count) } catch { throw FileFailure(error) }
    guard bytes.count == count else { throw .damaged }
    return bytes
  }

  /// Writes, and returns when it is on disk.
  ///
  /// - Throws: then nobody knows what of it is; `cut` takes it back.
  func write(_ bytes: [UInt8], at offset: UInt64, day: Day) throws(FileFailure) {
    try ObjectFile.write(bytes, to: descriptor, from: offset + UInt64(Self.headerByteCount))
    ObjectFile.coarsenTimes(of: descriptor, to: day)
    try flush()
  }

  /// Returns when all that was written is on disk.
  func flush() throws(FileFailure) {
    do throws(SystemFailure) { try flushData(descriptor) } catch { throw FileFailure(error) }
  }

  /// Leaves the beginning of the object, and returns when it is on disk that there is no more.
  ///
  /// For what comes of a failed flush: the system may call pages clean that did not reach the disk, so that the next flush passes over
  /// them. Those behind the cut are gone; the one that it goes through has changed by it, and is written again.
  func cut(to byteCount: UInt64, day: Day) throws(FileFailure) {
    guard ftruncate(descriptor, off_t(clamping: byteCount + UInt64(Self.headerByteCount))) == 0 else { throw .last() }
    ObjectFile.coarsenTimes(of: descriptor, to: day)
    try flush()
  }

  static func write(_ bytes: [UInt8], to descriptor: Int32, from position: UInt64) throws(FileFailure) {
    do throws(SystemFailure) { try DescriptorIO.write(bytes, to: descriptor, at: position) } catch { throw FileFailure(error) }
  }

  /// Leaves the day alone of the times at which a file or directory was changed and read. Of no promise is more kept if it fails.
  static func coarsenTimes(of descriptor: Int32, to day: Day) {
    let time = timespec(tv_sec: time_t(day.number) * 86_400, tv_nsec: 0)
    let times = [time, time]
    // `unsafe`: the system reads the two values during the call.
    _ = unsafe futimens(descriptor, times)
  }
}
