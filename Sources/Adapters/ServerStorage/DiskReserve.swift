import CryptoSuite

/// A file that keeps a little of the disk for the day on which it is full, whoever filled it: what a server writes at its
/// start finds room then, and what owners delete.
extension ServerDirectory {
  /// Bytes of it: a start takes some dozen pages, and what is left is room for deleting.
  static let reserveByteCount = 1 << 20
  /// Free bytes of the disk from which it is made.
  private static let reserveMinimumByteCount = 32 << 20

  var reserveFile: String { file("server.reserve") }

  /// Gives the reserve's room to who needs it when the disk is as good as full, and keeps it again when there is room.
  ///
  /// - Returns: whether it was given up now.
  public func tendReserve() -> Bool { tendReserve(freeByteCount: freeByteCount) }

  func tendReserve(freeByteCount free: Int) -> Bool {
    if free < Self.reserveByteCount { return giveUpReserve() }
    if free >= Self.reserveMinimumByteCount, PrivateFiles.byteCount(reserveFile) != Self.reserveByteCount {
      do throws(ServerStorageError) {
        // Zeros would take no room on a disk that compresses.
        try PrivateFiles.replace(reserveFile, with: SystemRandom().bytes(Self.reserveByteCount))
      } catch { try? PrivateFiles.remove(reserveFile + ".new") }
    }
    return false
  }

  /// Whether the disk's own numbers show room for the reserve.
  public var showsRoomForReserve: Bool { freeByteCount >= Self.reserveMinimumByteCount }

  /// Gives the reserve's room to who needs it.
  ///
  /// - Returns: whether there was one.
  public func giveUpReserve() -> Bool {
    guard PrivateFiles.exists(reserveFile) else { return false }
    do throws(ServerStorageError) { try PrivateFiles.remove(reserveFile) } catch { return false }
    return true
  }
}
