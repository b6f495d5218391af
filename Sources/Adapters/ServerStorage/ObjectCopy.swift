import SystemFiles

/// Copies the files of objects while a server may be moving them.
///
/// An object moves forward: from a day of `open` to a later one, and from there to `kept` (`FileObjectStore`). So they are walked in that
/// order, and each directory is looked into when its turn comes: what has left one that was passed by lies in one that is still to come.
/// What is met again was copied too early, and its later copy alone stays. What is not met any more has been deleted.
struct ObjectCopy {
  private let source: String
  private let destination: String
  /// Is called before each look at the source.
  private let willLook: () -> Void
  /// Where in the copy the files of `open` lie, by their names.
  private var begun: [String: String] = [:]
  /// Directories of the copy.
  private var directories: [String] = []

  init(from source: String, to destination: String, willLook: @escaping () -> Void = {}) {
    self.source = source
    self.destination = destination
    self.willLook = willLook
  }

  /// Returns when the copy is on disk; there is none of a tree that is not there.
  mutating func run() throws(ServerStorageError) {
    guard PrivateFiles.isDirectory(source) else { return }
    try makeDirectory("")
    for area in [ObjectPlace.Area.open, .kept] { try copy(area) }
    for directory in directories { try PrivateFiles.synchronizeDirectory(directory) }
  }

  private mutating func copy(_ area: ObjectPlace.Area) throws(ServerStorageError) {
    try makeDirectory("/\(area.rawValue)")
    var last: UInt32?
    // An object may have gone to a day that was not there before.
    while let day = try days(in: area, after: last) {
      let folder = "/\(area.rawValue)/\(day)"
      try makeDirectory(folder)
      for part in try names(in: folder) {
        try makeDirectory("\(folder)/\(part)")
        for name in try names(in: "\(folder)/\(part)") { try copyFile(name, in: "\(folder)/\(part)") }
      }
      last = day
    }
  }

  private func days(in area: ObjectPlace.Area, after last: UInt32?) throws(ServerStorageError) -> UInt32? {
    let days = try names(in: "/\(area.rawValue)").compactMap { UInt32($0) }
    return days.filter { day in last.map { $0 < day } ?? true }.min()
  }

  private mutating func copyFile(_ name: String, in folder: String) throws(ServerStorageError) {
    let path = "\(folder)/\(name)"
    willLook()
    do throws(ServerStorageError) { try PrivateFiles.copy(source + path, to: destination + path) } catch {
      // It has moved on and is met again, or has expired meanwhile, which is no loss.
      guard error == .missing else { throw error }
      return
    }
    if let former = begun.updateValue(path, forKey: name) { try PrivateFiles.remove(destination + former) }
  }

  /// None of a directory that has expired meanwhile.
  private func names(in path: String) throws(ServerStorageError) -> [String] {
    willLook()
    do throws(ServerStorageError) { return try PrivateFiles.names(in: source + path) } catch {
      guard error == .missing else { throw error }
      return []
    }
  }

  private mutating func makeDirectory(_ path: String) throws(ServerStorageError) {
    try PrivateFiles.makeDirectory(destination + path)
    directories.append(destination + path)
  }
}
