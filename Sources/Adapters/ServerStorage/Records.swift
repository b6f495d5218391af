import MailboxEngine
import SottoProtocol
import WireFormat

/// What a record keeps of a name: half of it, which is enough where a record is the only place to look.
typealias ShortName = [UInt8]

extension StoredName {
  static let shortByteCount = 16

  var short: ShortName { Array(bytes.prefix(Self.shortByteCount)) }
}

extension ByteWriter {
  fileprivate mutating func writeNames(_ names: [ShortName]) {
    write(UInt16(clamping: names.count))
    for name in names { writeBytes(name) }
  }

  /// Zeros up to a size.
  fileprivate func filled(to byteCount: Int) -> [UInt8] { bytes + [UInt8](repeating: 0, count: max(0, byteCount - bytes.count)) }
}

extension ByteReader {
  fileprivate mutating func readNames() throws(WireError) -> [ShortName] {
    var names: [ShortName] = []
    for _ in 0..<(try readUInt16()) { names.append(try readBytes(StoredName.shortByteCount)) }
    return names
  }

  fileprivate mutating func readVersion() throws(WireError) {
    let version = try readUInt8()
    guard version == 1 else { throw .invalidValue(UInt64(version)) }
  }
}

/// What a mailbox's row says when it is opened.
struct MailboxRecord {
  /// How many delivery keys a record of each size holds: up to 64, all mailboxes look the same.
  static let classes = [64, 256, 1_024, 4_096]

  /// How many delivery keys fit a record that has so many.
  static func capacity(for count: Int) -> Int { classes.first { $0 >= count } ?? count }

  private static let fixedByteCount = 1 + 2 * PublicKey32.byteCount + 4 + 4 + 4 + 4 + 2

  var ownerKey: PublicKey32
  var sealKey: PublicKey32
  /// The quota period in which the counts below were made; in another one they are zero.
  private var periodEnds: UInt32 = 0
  private var usedVouchers: UInt32 = 0
  private var usedTokens: UInt32 = 0
  private var usedBlobs: UInt32 = 0
  /// Names one behind the other: they are looked through for each copy, and seldom taken apart.
  private var deliveryKeys: [UInt8] = []

  init(ownerKey: PublicKey32, sealKey: PublicKey32) {
    self.ownerKey = ownerKey
    self.sealKey = sealKey
  }

  init(_ bytes: [UInt8]) throws(WireError) {
    var reader = ByteReader(bytes.span)
    try reader.readVersion()
    ownerKey = try reader.read()
    sealKey = try reader.read()
    periodEnds = try reader.readUInt32()
    usedVouchers = try reader.readUInt32()
    usedTokens = try reader.readUInt32()
    usedBlobs = try reader.readUInt32()
    deliveryKeys = try reader.readBytes(Int(try reader.readUInt16()) * StoredName.shortByteCount)
  }

  var bytes: [UInt8] {
    var writer = ByteWriter()
    writer.write(UInt8(1))
    writer.write(ownerKey)
    writer.write(sealKey)
    writer.write(periodEnds)
    writer.write(usedVouchers)
    writer.write(usedTokens)
    writer.write(usedBlobs)
    writer.write(UInt16(clamping: deliveryKeyCount))
    writer.writeBytes(deliveryKeys)
    return writer.filled(to: Self.fixedByteCount + Self.capacity(for: deliveryKeyCount) * StoredName.shortByteCount)
  }

  var deliveryKeyCount: Int { deliveryKeys.count / StoredName.shortByteCount }

  mutating func setDeliveryKeys(_ names: [ShortName]) { deliveryKeys = names.flatMap { $0 } }

  func accepts(_ deliveryKey: StoredName) -> Bool {
    let name = deliveryKey.short
    return stride(from: 0, to: deliveryKeys.count, by: name.count).contains {
      deliveryKeys[$0..<$0 + name.count].elementsEqual(name)
    }
  }

  /// Counts vouchers that were handed out.
  ///
  /// - Returns: false, and counts nothing, beyond the quota.
  mutating func useVouchers(_ count: Int, quota: Int, periodEnds: UInt32) -> Bool {
    begin(periodEnds)
    guard Int(usedVouchers) + count <= quota else { return false }
    usedVouchers += UInt32(clamping: count)
    return true
  }

  /// As `useVouchers`, for tokens that were signed.
  mutating func useTokens(_ count: Int, quota: Int, periodEnds: UInt32) -> Bool {
    begin(periodEnds)
    guard Int(usedTokens) + count <= quota else { return false }
    usedTokens += UInt32(clamping: count)
    return true
  }

  /// As `useVouchers`, for blobs.
  mutating func useBlobs(_ count: Int, quota: Int, periodEnds: UInt32) -> Bool {
    begin(periodEnds)
    guard Int(usedBlobs) + count <= quota else { return false }
    usedBlobs += UInt32(clamping: count)
    return true
  }

  private mutating func begin(_ period: UInt32) {
    guard periodEnds != period else { return }
    (periodEnds, usedVouchers, usedTokens, usedBlobs) = (period, 0, 0, 0)
  }
}

/// What a handle log's row says when it is opened.
struct LogRecord {
  /// Entries, side by side, that expire on one day.
  struct Run: Equatable {
    var firstSlot: UInt64
    var expires: UInt32
    /// Of the entries together.
    var byteCount: UInt32
  }

  /// Runs that a record holds: entries wait 30 days, and a clock may be set. With one more a sealed record would not fit into its
  /// place in a page, and each would have a page of its own beside.
  private static let runCount = 37
  static let byteCount =
    1 + 2 * StoredName.shortByteCount + 8 + 8 + 2 + runCount * 16
    + 2 + Limits.administratorKeyCount * StoredName.shortByteCount + 2 + ServerLimits.rotationsPerSlot * StoredName.shortByteCount

  var writeKey: ShortName
  var creation: ShortName
  var nextSlot: UInt64 = 0
  /// Counts GroupInfos; 0 before the first.
  var infoGeneration: UInt64 = 0
  private(set) var runs: [Run] = []
  var administrators: [ShortName]
  /// Rotations without an entry since the last one.
  var rotations: [ShortName] = []

  init(writeKey: ShortName, administrators: [ShortName], creation: ShortName) {
    self.writeKey = writeKey
    self.administrators = administrators
    self.creation = creation
  }

  init(_ bytes: [UInt8]) throws(WireError) {
    var reader = ByteReader(bytes.span)
    try reader.readVersion()
    writeKey = try reader.readBytes(StoredName.shortByteCount)
    creation = try reader.readBytes(StoredName.shortByteCount)
    nextSlot = try reader.readUInt64()
    infoGeneration = try reader.readUInt64()
    for _ in 0..<(try reader.readUInt16()) {
      runs.append(Run(firstSlot: try reader.readUInt64(), expires: try reader.readUInt32(), byteCount: try reader.readUInt32()))
    }
    administrators = try reader.readNames()
    rotations = try reader.readNames()
  }

  var bytes: [UInt8] {
    var writer = ByteWriter()
    writer.write(UInt8(1))
    writer.writeBytes(writeKey)
    writer.writeBytes(creation)
    writer.write(nextSlot)
    writer.write(infoGeneration)
    writer.write(UInt16(clamping: runs.count))
    for run in runs {
      writer.write(run.firstSlot)
      writer.write(run.expires)
      writer.write(run.byteCount)
    }
    writer.writeNames(administrators)
    writer.writeNames(rotations)
    return writer.filled(to: Self.byteCount)
  }

  /// Takes the next slot for an entry that expires on a day.
  mutating func advance(expires: Day, byteCount: Int) {
    if runs.last?.expires != expires.number { runs.append(Run(firstSlot: nextSlot, expires: expires.number, byteCount: 0)) }
    runs.removeFirst(max(0, runs.count - Self.runCount))
    if let last = runs.indices.last { runs[last].byteCount = UInt32(clamping: Int(runs[last].byteCount) + byteCount) }
    nextSlot += 1
  }

  /// Whether the log may hold another entry of so many bytes.
  func hasRoom(byteCount: Int, today: Day) -> Bool {
    var count: UInt64 = 0
    var sum = byteCount
    for (index, run) in runs.enumerated() where Day(number: run.expires) > today {
      let end = index + 1 < runs.count ? runs[index + 1].firstSlot : nextSlot
      count += end > run.firstSlot ? end - run.firstSlot : 0
      sum += Int(run.byteCount)
    }
    return count < ServerLimits.logEntryCount && sum <= ServerLimits.logByteCount
  }

  /// Begins to count slots elsewhere than at 0; for a log that an older version made.
  mutating func skip(to slot: UInt64) { nextSlot = slot }

  /// The day on which the entry in a slot expires, or nil when no entry can be there any more.
  func expiry(of slot: UInt64) -> Day? {
    guard slot < nextSlot else { return nil }
    return runs.last { $0.firstSlot <= slot }.map { Day(number: $0.expires) }
  }
}

/// What lies under a capability.
struct CapabilityRecord {
  struct Blob {
    var name: ShortName
    /// Zeros before somebody has taken it.
    var claimer: ShortName
    var isWithdrawn: Bool
    var expires: UInt32
    /// Where its bytes lie, beside the day.
    var index: UInt16
  }

  private static let noClaimer = [UInt8](repeating: 0, count: StoredName.shortByteCount)
  static let byteCount =
    1 + StoredName.shortByteCount + 2 + 2 + ServerLimits.blobsPerCapability * (2 * StoredName.shortByteCount + 1 + 4 + 2)

  var publisher: ShortName
  private var nextIndex: UInt16 = 0
  var blobs: [Blob] = []

  init(publisher: ShortName) { self.publisher = publisher }

  init(_ bytes: [UInt8]) throws(WireError) {
    var reader = ByteReader(bytes.span)
    try reader.readVersion()
    publisher = try reader.readBytes(StoredName.shortByteCount)
    nextIndex = try reader.readUInt16()
    for _ in 0..<(try reader.readUInt16()) {
      blobs.append(
        Blob(
          name: try reader.readBytes(StoredName.shortByteCount), claimer: try reader.readBytes(StoredName.shortByteCount),
          isWithdrawn: try reader.readUInt8() != 0, expires: try reader.readUInt32(), index: try reader.readUInt16()))
    }
  }

  var bytes: [UInt8] {
    var writer = ByteWriter()
    writer.write(UInt8(1))
    writer.writeBytes(publisher)
    writer.write(nextIndex)
    writer.write(UInt16(clamping: blobs.count))
    for blob in blobs {
      writer.writeBytes(blob.name)
      writer.writeBytes(blob.claimer)
      writer.write(UInt8(blob.isWithdrawn ? 1 : 0))
      writer.write(blob.expires)
      writer.write(blob.index)
    }
    return writer.filled(to: Self.byteCount)
  }

  /// The last day on which one of the blobs expires.
  var expires: Day { Day(number: blobs.map(\.expires).max() ?? 0) }

  /// Enters a blob.
  ///
  /// - Returns: the index under which its bytes are to lie.
  mutating func add(_ name: ShortName, expires: Day) -> UInt64 {
    defer { nextIndex &+= 1 }
    blobs.append(Blob(name: name, claimer: Self.noClaimer, isWithdrawn: false, expires: expires.number, index: nextIndex))
    return UInt64(nextIndex)
  }

  /// The blob that a claimer gets: the one it has taken, or the next that is free.
  func candidate(for claimer: ShortName, today: Day) -> Int? {
    let open = blobs.indices.filter { !blobs[$0].isWithdrawn && blobs[$0].expires > today.number }
    return open.first { blobs[$0].claimer == claimer }
      ?? open.filter { blobs[$0].claimer == Self.noClaimer }.min { blobs[$0].name.lexicographicallyPrecedes(blobs[$1].name) }
  }
}
