import Foundation
import MailboxEngine
import SottoProtocol
import SystemFiles

/// Where an object's file lies.
struct ObjectPlace {
  /// The part of the tree that says whether it is finished.
  enum Area: String, CaseIterable {
    case open, kept
  }

  var area: Area
  var path: String
}

/// The tree of files below one directory; see `FileObjectStore`.
struct ObjectFiles: Sendable {
  /// A directory of a day that has come, with what is in it.
  struct Expired {
    var path: String
    var files: [(name: StoredName, path: String)]
  }

  /// What is behind the name of a file that is being made.
  private static let newSuffix = ".new"

  let root: String
  var flushData = ObjectFile.flushData

  /// Makes what is missing of the tree, and counts the files in it.
  func prepare(counting space: ObjectSpace) throws(ServerStorageError) {
    try PrivateFiles.makeDirectory(root)
    for area in ObjectPlace.Area.allCases { try PrivateFiles.makeDirectory("\(root)/\(area.rawValue)") }
    try PrivateFiles.synchronizeDirectory(root)
    for area in ObjectPlace.Area.allCases {
      for day in days(in: area) {
        for path in paths(below: "\(root)/\(area.rawValue)/\(day.number)") {
          guard let size = Self.size(of: path) else { continue }
          space.add(present: size)
        }
      }
    }
  }

  // MARK: Finding

  /// The object's file, if it is there and has not expired.
  func find(_ name: StoredName, today: Day, in areas: [ObjectPlace.Area]) throws(FileFailure) -> ObjectFile? {
    for area in areas {
      // A name does not say on which day its object goes; there are few days, and a file that is not there is soon missed.
      let last = area == .open ? ServerLimits.unfinishedObjectDays : UInt32(Limits.expiryDays)
      for distance in 1...last {
        let path = path(name, area, today.adding(distance))
        if let file = try ObjectFile(ObjectPlace(area: area, path: path), flushData: flushData) { return file }
      }
    }
    return nil
  }

  private func directory(_ name: StoredName, _ area: ObjectPlace.Area, _ day: Day) -> String {
    "\(root)/\(area.rawValue)/\(day.number)/\(Self.hex(name.bytes.prefix(1)))"
  }

  private func path(_ name: StoredName, _ area: ObjectPlace.Area, _ day: Day) -> String {
    "\(directory(name, area, day))/\(Self.hex(name.bytes[...]))"
  }

  // MARK: Changing

  /// Makes the file of an object that is not there, with its header: all or nothing.
  func create(_ object: NewObject, today: Day) throws(FileFailure) {
    let day = today.adding(ServerLimits.unfinishedObjectDays)
    try makeDirectory(object.name, .open, day, today: today)
    let path = path(object.name, .open, day)
    let newPath = path + Self.newSuffix
    // `unsafe`, here and below: a string is lent to the system as a C string for the duration of the call.
    let descriptor = unsafe Foundation.open(newPath, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode_t(0o600))
    guard descriptor >= 0 else { throw .last() }
    do throws(FileFailure) {
      defer { _ = close(descriptor) }
      let header = ObjectHeader(byteCount: object.byteCount, days: object.days, made: today)
      try ObjectFile.write(header.encoded, to: descriptor, from: 0)
      ObjectFile.coarsenTimes(of: descriptor, to: today)
      try Self.flush(descriptor)
    } catch {
      _ = unsafe Foundation.unlink(newPath)
      throw error
    }
    do throws(FileFailure) { try move(newPath, to: path, today: today) } catch {
      // It may have its name and not be durable: then nobody has paid for it, and it does not stand.
      for name in [newPath, path] { _ = unsafe Foundation.unlink(name) }
      throw error
    }
  }

  /// Puts off the day on which an upload that is going on would be deleted.
  func keepOpen(_ file: ObjectFile, _ name: StoredName, until day: Day, today: Day) throws(FileFailure) {
    let path = path(name, .open, day)
    guard file.place.path != path, day > today else { return }
    try makeDirectory(name, .open, day, today: today)
    try move(file.place.path, to: path, today: today)
  }

  /// Moves a finished object to where it stays; a crash leaves it in one place or the other.
  func keep(_ file: ObjectFile, _ name: StoredName, until day: Day, today: Day) throws(FileFailure) {
    try makeDirectory(name, .kept, day, today: today)
    try move(file.place.path, to: path(name, .kept, day), today: today)
  }

  /// Removes a name; `synchronizeParent` makes that durable.
  ///
  /// - Returns: false when it was gone already.
  func unlink(_ path: String) throws(FileFailure) -> Bool {
    if unsafe Foundation.unlink(path) == 0 { return true }
    guard errno == ENOENT else { throw .last() }
    return false
  }

  func synchronizeParent(of path: String) throws(FileFailure) {
    do throws(SystemFailure) { try SystemFile.flush(SystemFile.parent(of: path)) } catch { throw FileFailure(error) }
  }

  /// Removes a directory of a day with the empty ones in it; what is not empty stays for the next time.
  func removeDirectory(_ path: String) {
    for name in names(in: path) { _ = unsafe rmdir("\(path)/\(name)") }
    _ = unsafe rmdir(path)
  }

  private func makeDirectory(_ name: StoredName, _ area: ObjectPlace.Area, _ day: Day, today: Day) throws(FileFailure) {
    let path = directory(name, area, day)
    for path in [SystemFile.parent(of: path), path] {
      if unsafe mkdir(path, mode_t(0o700)) == 0 {
        try synchronize(SystemFile.parent(of: path), today: today)
      } else if errno != EEXIST {
        throw .last()
      }
    }
  }

  private func move(_ old: String, to new: String, today: Day) throws(FileFailure) {
    // `unsafe`: both paths are C strings for the duration of the call.
    guard unsafe rename(old, new) == 0 else { throw .last() }
    try synchronize(SystemFile.parent(of: new), today: today)
    if SystemFile.parent(of: old) != SystemFile.parent(of: new) { try synchronize(SystemFile.parent(of: old), today: today) }
  }

  /// Makes the names in a directory durable; its times say the day alone.
  private func synchronize(_ path: String, today: Day) throws(FileFailure) {
    let descriptor = unsafe Foundation.open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .last() }
    defer { _ = close(descriptor) }
    ObjectFile.coarsenTimes(of: descriptor, to: today)
    try Self.flush(descriptor)
  }

  private static func flush(_ descriptor: Int32) throws(FileFailure) {
    do throws(SystemFailure) { try DescriptorIO.flush(descriptor) } catch { throw FileFailure(error) }
  }

  // MARK: Expiry

  /// The directories of days that have come.
  func expiredDirectories(today: Day) -> [Expired] {
    ObjectPlace.Area.allCases.flatMap { area in
      days(in: area).filter { $0 <= today }.map { day in
        let path = "\(root)/\(area.rawValue)/\(day.number)"
        let files = paths(below: path).map { path in
          // What is left of an object that was not made has its name too, or none; then any will do.
          (name: Self.name(of: path) ?? StoredName(trusted: [UInt8](repeating: 0, count: StoredName.byteCount)), path: path)
        }
        return Expired(path: path, files: files)
      }
    }
  }

  private func days(in area: ObjectPlace.Area) -> [Day] {
    names(in: "\(root)/\(area.rawValue)").compactMap { UInt32($0).map(Day.init(number:)) }
  }

  private func paths(below directory: String) -> [String] {
    names(in: directory).flatMap { part in names(in: "\(directory)/\(part)").map { "\(directory)/\(part)/\($0)" } }
  }

  /// None for what is no directory, or cannot be read: expiry comes again.
  private func names(in directory: String) -> [String] { (try? SystemFile.names(in: directory)) ?? [] }

  /// Bytes of a file, or of the symbolic link that stands in its place: nobody follows one here. Nil when it is not there.
  static func size(of path: String) -> UInt64? {
    var status = stat()
    // The system writes the value during the call.
    guard unsafe lstat(path, &status) == 0 else { return nil }
    return UInt64(clamping: status.st_size)
  }

  private static func name(of path: String) -> StoredName? {
    guard let text = path.split(separator: "/").last?.prefix(StoredName.byteCount * 2), text.utf8.count == StoredName.byteCount * 2 else {
      return nil
    }
    let digits = text.utf8.compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
    guard digits.count == StoredName.byteCount * 2 else { return nil }
    return StoredName(stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) })
  }

  private static func hex(_ bytes: ArraySlice<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }
}
